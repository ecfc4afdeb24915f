"""What a trained model does with the test set in other searches than its recipe's."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nmt.bundle import Bundle, load_bundle
from nmt.errors import UserError
from nmt.evaluation.translations import scored_text
from nmt.metrics import bleu, sacrebleu_metrics
from nmt.recipe.evaluation import of_translations
from nmt.report.collect import Run, SharedSet
from nmt.report.gradients import reach
from nmt.report.models import load_set
from nmt.tokenizer import UNK
from nmt.translator import Translator
from reproduction.claims import CLAIMS
from reproduction.significance import count, difference, resample, written

SEARCHES: dict[str, dict[str, Any]] = {
    "beam 1": {"beam_size": 1},
    "beam 5": {"beam_size": 5},
    "beam 10": {"beam_size": 10},
    "beam 50": {"beam_size": 50},
    "beam 10, penalty 0": {"beam_size": 10, "length_penalty": 0.0},
    "beam 10, penalty 0.5": {"beam_size": 10, "length_penalty": 0.5},
    "beam 5, replaced, input": {"beam_size": 5, "replace_unknown": True, "alignment": "input"},
    "beam 5, replaced, predicted": {"beam_size": 5, "replace_unknown": True, "alignment": "predicted"},
}
"""Options of each search; the length penalty is 1 and unknown words stay as they are where nothing else is said."""

PAIRS = tuple(dict.fromkeys((pair.better, pair.worse) for claim in CLAIMS for pair in claim.pairs if pair.row))
"""Searches of one model of which a paper says that the first is better."""

_SAME = 0.2  # BLEU; another device rounds otherwise
_PLAIN = {"length_penalty": 1.0, "replace_unknown": False, "dictionary": None}


def measure(run: Run, device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Scores of `SEARCHES`, differences of `PAIRS` and gradients by distance, by the run's own model on its test set.

    And the counts of its recipe's beam search, from which runs are compared.

    Args:
        run: finished.
        device: where to search.
        say: takes a line about what takes time.

    Raises:
        UserError: if there is no model that can be loaded, it translates otherwise, or the text has changed since.
    """
    options = of_translations(run.recipe.evaluation)
    references = run.lines("reference")
    texts = load_set(SharedSet([run], run.references()))
    bundle = load_bundle(run.folder)
    found: dict[str, list[str]] = {}
    unknown = 0
    for name, search in SEARCHES.items():
        if "replace_unknown" in search and not (unknown and has_attention(bundle)):
            continue
        say(f"{run.name}: {name}")
        translator = Translator.from_bundle(bundle, device, **_PLAIN | search)
        translations = [best[0] for best in translator.translate(texts.sources)]
        found[name], _ = scored_text(translations, texts.references, bundle.tokenizers.target, options)
        if name == "beam 1":
            _check_model(run, bleu(found[name], references, options))
        if name == "beam 5":
            unknown = sum(translation.ids.count(UNK) for translation in translations)
    metric = sacrebleu_metrics(options)["bleu"]
    scores = {name: float(metric.corpus_score(lines, [references]).score) for name, lines in found.items()}
    counts = {name: count(lines, references, texts.sources, options) for name, lines in found.items()}
    samples = {name: resample(each) for name, each in counts.items()}
    tests = [(one, other, difference(samples[one], samples[other])) for one, other in PAIRS if one in found]
    return {
        "unknown_words": unknown,
        "searches": {"bleu": scores, "signature": str(metric.get_signature())},
        "pairs": [
            {"better": one, "worse": other, "bleu": [test.better, test.worse], "p": test.p}
            for one, other, test in tests
        ],
        "gradients": reach(replace(bundle, model=bundle.model.cpu()), texts.sources, texts.references),
        "counts": written(count(run.lines("beam"), references, texts.sources, options)),
    }


def _check_model(run: Run, greedy: float) -> None:
    """Raises a UserError if the model does not translate as it did when it was trained."""
    before = run.scores["greedy"]
    expected = before.get("bleu_before_replacement", before["bleu"])
    if abs(greedy - expected) > _SAME:
        raise UserError(
            f"{run.folder}: BLEU is {greedy:.2f}, greedy, but was {expected:.2f}; this is another model or code"
        )


def has_attention(bundle: Bundle) -> bool:
    """Whether each step looks at the source."""
    return bundle.recipe.model.attention.type not in ("none", "summary")
