"""BLEU, chrF, TER and exact match of lists of lines. That they are sacreBLEU's: see promise 5."""

import math
from typing import Any

import pytest

from nmt.errors import UserError
from nmt.metrics import Scores, bleu, score
from nmt.recipe.evaluation import TranslationEvaluation

REFERENCES = [
    "The dog runs through the wet grass.",
    "A man sleeps.",
    "Two women talk to each other at a table .",
]


def options(**fields: Any) -> TranslationEvaluation:
    return TranslationEvaluation.model_validate(fields)


def test_the_same_text_is_perfect() -> None:
    found = score(REFERENCES, REFERENCES, options())
    assert found.bleu == pytest.approx(100.0)
    assert found.chrf == pytest.approx(100.0)
    assert found.ter == 0.0
    assert found.exact_match == 100.0


def test_bleu_and_ter_by_hand() -> None:
    # Of 4, 3, 2 and 1 n-grams match 3, 2, 1 and 0: the last is smoothed to 1/2 of one. No brevity penalty.
    found = score(["a b c x"], ["a b c d"], options(bleu_tokenize="none"))
    assert found.bleu == pytest.approx(100 * (3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25)
    assert found.ter == pytest.approx(25.0)
    # A hypothesis of half the length: all n-grams match, and the brevity penalty is exp(1 - 8/4).
    found = score(["a b c d"], ["a b c d e f g h"], options(bleu_tokenize="none"))
    assert found.bleu == pytest.approx(100 * math.exp(-1))
    assert found.ter == pytest.approx(50.0)


def test_exact_match_is_of_the_whole_line() -> None:
    hypotheses = [REFERENCES[0], REFERENCES[1].lower(), REFERENCES[2] + " "]
    assert score(hypotheses, REFERENCES, options()).exact_match == pytest.approx(100 / 3)
    assert score(hypotheses, REFERENCES, options(lowercase=True)).exact_match == pytest.approx(200 / 3)


def test_without_regard_to_case() -> None:
    upper = [line.upper() for line in REFERENCES]
    assert score(upper, REFERENCES, options()).bleu < 20
    found = score(upper, REFERENCES, options(lowercase=True))
    assert [found.bleu, found.chrf, found.ter] == pytest.approx([100.0, 100.0, 0.0])
    assert "case:lc" in found.signatures["bleu"]


@pytest.mark.parametrize("tokenize", ["13a", "none", "char", "intl", "zh"])
def test_the_signature_says_what_was_done(tokenize: str) -> None:
    found = score(REFERENCES, REFERENCES, options(bleu_tokenize=tokenize))
    assert set(found.signatures) == {"bleu", "chrf", "ter"}
    assert f"nrefs:1|case:mixed|eff:no|tok:{tokenize}|smooth:exp|version:" in found.signatures["bleu"]
    assert "case:lc" in found.signatures["ter"]  # as the sacrebleu command has it


@pytest.mark.parametrize("hypotheses", [["", "", ""], ["", "A man sleeps.", ""], [" ", "\t", "\u3000"]])
def test_blank_hypotheses_are_scored(hypotheses: list[str]) -> None:
    found = score(hypotheses, REFERENCES, options())
    assert 0 <= found.bleu < 50
    assert 0 <= found.chrf < 50
    assert found.ter >= 50
    if not any(line.strip() for line in hypotheses):
        assert (found.bleu, found.chrf, found.ter) == (0.0, 0.0, 100.0)


def test_bleu_alone_is_the_bleu_of_all_scores() -> None:
    hypotheses = ["The dog walks through grass.", "", "Two women talk to each other at the table."]
    for chosen in (options(), options(lowercase=True), options(bleu_tokenize="char")):
        assert bleu(hypotheses, REFERENCES, chosen) == score(hypotheses, REFERENCES, chosen).bleu


def test_scores_are_plain_data_for_a_file() -> None:
    found = score(REFERENCES, REFERENCES, options())
    assert found.as_dict().keys() == {"bleu", "chrf", "ter", "exact_match", "signatures"}
    assert Scores(**found.as_dict()) == found


@pytest.mark.parametrize("function", [score, bleu])
def test_what_cannot_be_scored_is_said(function: Any) -> None:
    with pytest.raises(UserError, match=r"^2 hypotheses cannot be scored against 3 references$"):
        function(REFERENCES[:2], REFERENCES, options())
    with pytest.raises(UserError, match=r"^there is nothing to score: the set is empty$"):
        function([], [], options())
