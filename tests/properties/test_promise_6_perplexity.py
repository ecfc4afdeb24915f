"""Promise 6: perplexity is the true negative log-likelihood per target token, whatever the batching."""

import json
import math
from pathlib import Path

import pytest
import torch

from nmt import Translator, train
from nmt.data.batch import make_batch
from nmt.data.numbers import number_corpus
from nmt.model.seq2seq import Seq2Seq
from nmt.tokenizer import BOS, EOS
from nmt.training.loss import sequence_loss
from tests.fixtures_text import copying_bundle, exported, practised_bundle
from tests.helpers import step_log_probs
from tests.training_runs import last_weights, tiny_recipe

pytestmark = pytest.mark.bare

ROWS = list(enumerate(number_corpus("train")[:7]))


def reference_perplexity(translate: Translator, rows: list[dict[str, str]]) -> float:
    """One sentence at a time, one token at a time, by the network's own step."""
    total, tokens, model = 0.0, 0, translate.model
    assert isinstance(model, Seq2Seq)
    for row in rows:
        (source,) = translate.tokenizers.encode_sources([row["de"]])
        (target,) = translate.tokenizers.encode_targets([row["en"]], [source])
        with torch.inference_mode():
            state = model.start(torch.tensor([[*source.ids, EOS]]), torch.tensor([len(source.ids) + 1]))
            for previous, following in zip([BOS, *target], [*target, EOS], strict=True):
                log_probs, state = step_log_probs(model, torch.tensor([previous]), state)
                total -= log_probs[0, following].item()
                tokens += 1
    return math.exp(total / tokens)


def test_perplexity_is_the_likelihood_of_the_tokens_however_they_are_batched(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, training={"label_smoothing": 0.3}, search={"batch_size": 4})
    run = train(recipe, run=tmp_path / "run")
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    translate = Translator.load(run)
    validation, test = number_corpus("validation")[:25], number_corpus("test")[:15]
    assert results["test"]["perplexity"] == pytest.approx(reference_perplexity(translate, test), rel=1e-5)
    assert results["validation"]["perplexity"] == pytest.approx(reference_perplexity(translate, validation), rel=1e-5)
    # What was shown during the training is the same measure: the checkpoint kept is the one with these words.
    log = (run / "log.txt").read_text(encoding="utf-8")
    assert f"perplexity {results['validation']['perplexity']:.3f}  BLEU" in log


def test_an_exported_model_scores_among_the_whole_vocabulary() -> None:
    """By 8 bits, but not among the words of a shortlist, which depend on the source."""
    bundle = exported(practised_bundle())
    translate = Translator(bundle.model, bundle.tokenizers, bundle.recipe.search)
    rows = number_corpus("train")[:12]
    scores = translate.score([row["de"] for row in rows], [row["en"] for row in rows])
    perplexity = math.exp(-sum(log_prob for log_prob, _ in scores) / sum(tokens for _, tokens in scores))
    bundle.model.output.shortlist = None
    assert perplexity == pytest.approx(reference_perplexity(translate, rows), rel=1e-5)


@pytest.mark.parametrize("kind", ["word", "unigram"])
def test_copied_words_count_as_any_other(kind: str) -> None:
    """Those that no vocabulary has, too, some of which the source does not hold: these are the unknown word."""
    bundle, lines = copying_bundle(kind), [f"{row['de']} Quux {'Zyx ' * (place % 3)}7" for place, row in ROWS]
    rows = [{"de": line, "en": f"Zyx {row['en']} Quux Foo"} for line, (_, row) in zip(lines, ROWS, strict=True)]
    expected = None
    for size in (1, 5):
        options = bundle.recipe.search.model_copy(update={"batch_size": size, "max_source_length": 100})
        translate = Translator(bundle.model, bundle.tokenizers, options)
        scores = translate.score([row["de"] for row in rows], [row["en"] for row in rows])
        expected = expected or reference_perplexity(translate, rows)
        perplexity = math.exp(-sum(log_prob for log_prob, _ in scores) / sum(tokens for _, tokens in scores))
        assert perplexity == pytest.approx(expected, rel=1e-5)
    read = bundle.tokenizers.encode_sources([row["de"] for row in rows])
    given = bundle.tokenizers.encode_targets([row["en"] for row in rows], read)
    assert any(piece >= len(bundle.tokenizers.target) for ids in given for piece in ids) == (kind == "word")
    loss = sequence_loss(bundle.model, make_batch([source.ids for source in read], given))
    assert math.exp(loss.nll / loss.tokens) == pytest.approx(expected, rel=1e-5)


def test_accumulating_batches_is_one_large_batch(tmp_path: Path) -> None:
    whole = {"batch_size": 200, "label_smoothing": 0.1}
    trainer = {"max_epochs": 3, "gradient_clip_val": 0.5}
    large = train(tiny_recipe(tmp_path, training=whole, trainer=trainer), run=tmp_path / "large")
    accumulated = train(
        tiny_recipe(tmp_path, training={**whole, "batch_size": 32}, trainer={**trainer, "accumulate_grad_batches": 7}),
        run=tmp_path / "accumulated",
    )
    expected, found = last_weights(large), last_weights(accumulated)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)
