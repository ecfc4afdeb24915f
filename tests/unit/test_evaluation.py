"""What an evaluation measures. That its scores are sacreBLEU's: see promise 5."""

import json
from collections import Counter
from functools import cache
from typing import Any

import pytest

from nmt.evaluation.translations import EvaluatedTranslations, evaluate_translations, scored_text
from nmt.metrics import score
from nmt.preparation import Preparation
from nmt.recipe.evaluation import TranslationEvaluation
from nmt.recipe.search import SearchOptions
from nmt.tokenizer import UNK
from nmt.translation import Translation
from nmt.translator import Translator
from tests.fixtures_text import KINDS, SOURCES, TARGETS, make_bundle, practised_bundle, tokenizer

SPAN = slice(500, 540)  # with rare words
LINES = SOURCES[SPAN], TARGETS[SPAN]


def known_words() -> set[str]:
    """The words of `practised_bundle`, by counting: 346 of both languages together."""
    counts = Counter(word for line in SOURCES + TARGETS for word in line.split())
    return {*sorted(counts, key=lambda word: (-counts[word], word))[:346]}


@cache
def translator(kind: str = "trained", **search: Any) -> Translator:
    bundle = KINDS[kind](practised_bundle())
    options = bundle.recipe.search.model_copy(update={"beam_size": 3, **search})
    return Translator(bundle.model, bundle.tokenizers, options)


@cache
def evaluation(kind: str = "trained") -> EvaluatedTranslations:
    return evaluate_translations(translator(kind), *LINES, TranslationEvaluation())


# -- without unknown words ----------------------------------------------------------------------------------------


def lines_without_unknown() -> list[tuple[str, str]]:
    known = known_words()
    return [pair for pair in zip(*LINES, strict=True) if not {*" ".join(pair).split()} - known]


@pytest.mark.parametrize("kind", KINDS)
def test_lines_without_unknown_words_are_translated_without_them(kind: str) -> None:
    found = evaluation(kind).no_unk
    assert found is not None
    sources, references = map(list, zip(*lines_without_unknown(), strict=True))
    assert 5 < len(sources) < len(LINES[0])
    assert found.references == references
    forbidding = translator(kind, forbid_unknown=True)
    assert found.lines == forbidding(sources)
    assert found.scores == score(found.lines, references, TranslationEvaluation())
    assert not any(UNK in translation.ids for translation in found.translations)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_the_unknown_word_is_produced_unless_it_is_forbidden(beam_size: int) -> None:
    before, eager = (make_bundle(tokenizer={"type": "word"}) for _ in range(2))
    eager.model.output.words.bias[UNK] += 1.0  # so that it is the most probable
    options = SearchOptions(beam_size=beam_size, max_length_ratio=1.0, max_length_extra=4)
    forbidding = options.model_copy(update={"forbid_unknown": True})
    kinds = ((before.model, options), (eager.model, options), (eager.model, forbidding))
    usual, free, without = (
        [best.ids for (best,) in Translator(model, before.tokenizers, each).translate(SOURCES[:20])]
        for model, each in kinds
    )
    assert all(UNK in ids for ids in free)
    assert not any(UNK in ids for ids in without)
    if beam_size == 1:  # the others are as probable beside each other as before
        assert without == usual


def test_they_have_a_row_and_a_key() -> None:
    found = evaluation()
    assert found.no_unk
    (row,) = [line for line in found.table("test").splitlines() if line.startswith("no-UNK")]
    assert row.split()[1] == f"{found.no_unk.scores.bleu:.2f}"
    assert row.endswith(f" {len(lines_without_unknown())} lines without unknown words")
    saved = json.loads(json.dumps(found.as_dict()))
    assert saved["no_unk"]["lines"] == len(lines_without_unknown())
    assert saved["no_unk"]["bleu"] == found.no_unk.scores.bleu


@pytest.mark.parametrize("lines", ["known", "unknown"])
def test_nothing_is_said_where_all_words_are_known_or_no_line_has_only_such(lines: str) -> None:
    known = lines_without_unknown()
    rest = [pair for pair in zip(*LINES, strict=True) if pair not in known]
    sources, references = zip(*(known if lines == "known" else rest), strict=True)
    found = evaluate_translations(translator(), sources[:5], references[:5], TranslationEvaluation())
    assert found.no_unk is None
    assert "no-UNK" not in found.table("test")
    assert "no_unk" not in found.as_dict()


# -- what is scored -----------------------------------------------------------------------------------------------


def test_raw_or_tokenized_text_is_scored() -> None:
    target = tokenizer().with_preparation(Preparation(lowercase=True, moses=True, language="en"))
    ids = target.encode(["Two dogs, a Cat."])
    translations = [Translation(target.decode(ids)[0], prepared=target.spell(ids)[0])]
    references = ["Two DOGS, a cat!"]
    assert scored_text(translations, references, target, TranslationEvaluation()) == (["two dogs, a cat."], references)
    tokenized = TranslationEvaluation(text="tokenized", bleu_tokenize="none")
    assert scored_text(translations, references, target, tokenized) == (["two dogs , a cat ."], ["two dogs , a cat !"])


def test_a_translation_knows_its_prepared_text() -> None:
    bundle = practised_bundle()
    moses = bundle.tokenizers.target.with_preparation(Preparation(moses=True, language="en"))
    pair = type(bundle.tokenizers)(bundle.tokenizers.source, moses)
    plain = translator().translate(SOURCES[:6])
    for (found,), (before,) in zip(
        Translator(bundle.model, pair, translator().options).translate(SOURCES[:6]), plain, strict=True
    ):
        assert found.ids == before.ids
        assert found.prepared == before.prepared == before.text == moses.spell([found.ids])[0]
        assert found.text == moses.preparation.restore(found.prepared)


def test_the_table_says_what_was_scored() -> None:
    assert f"BLEU of raw text, {evaluation().beam.scores.signatures['bleu']}" in evaluation().table("test")
    tokenized = evaluate_translations(
        translator(), LINES[0][:3], LINES[1][:3], TranslationEvaluation(text="tokenized", bleu_tokenize="none")
    )
    assert "BLEU of tokenized text, " in tokenized.table("test")
    assert tokenized.as_dict()["text"] == "tokenized"
