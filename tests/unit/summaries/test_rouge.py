"""ROUGE: rouge-score's own numbers, and some by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.scoring import BootstrapAggregator

from nmt.errors import UserError
from nmt.recipe.evaluation import SummarizationEvaluation
from nmt.summaries.rouge import KINDS, Rouge, by_document, monitored, resampled, rouge

SUMMARIES = [
    "Hannah needs Betty's number. Amanda doesn't have it.",
    "They are running late; nobody's waiting!",
    "",
    "Zoë bought 3 cats and three dogs.",
    "the the the the",
]
REFERENCES = [
    ["Hannah is looking for Betty's number. She needs to contact Larry.", "Amanda has no number."],
    ["He runs late. They wait."],
    ["Nothing"],
    ["Zoe buys cats.\nShe has three dogs", "Dogs, cats", "..."],
    ["the end of the day", "the"],
]


def options(references: str = "best") -> SummarizationEvaluation:
    return SummarizationEvaluation.model_validate({"type": "summarization", "references": references})


def broken(text: str) -> str:
    """A line for each sentence of the texts above."""
    return text.replace(". ", ".\n").replace("! ", "!\n")


def by_library(references: str) -> list[dict[str, tuple[float, float, float]]]:
    scorer = RougeScorer(KINDS, use_stemmer=True)
    found = []
    for summary, several in zip(SUMMARIES, REFERENCES, strict=True):
        given, wanted = broken(summary), [broken(reference) for reference in several]
        if references == "best":
            found.append(scorer.score_multi(wanted, given))
        else:
            scores = [scorer.score(reference, given) for reference in wanted]
            found.append({kind: tuple(np.mean([each[kind] for each in scores], axis=0)) for kind in KINDS})
    return found


@pytest.mark.parametrize("references", ["best", "mean"])
def test_the_numbers_are_those_of_rouge_score(references: str) -> None:
    expected = [[[100 * part for part in each[kind]] for kind in KINDS] for each in by_library(references)]
    assert by_document(SUMMARIES, REFERENCES, options(references)) == pytest.approx(np.array(expected))
    found = rouge(SUMMARIES, REFERENCES, options(references))
    for place, kind in enumerate(KINDS):
        means = np.mean(expected, axis=0)[place]
        assert (found.precision[kind], found.recall[kind], found.f1[kind]) == pytest.approx(tuple(means))


def test_several_references_make_a_difference() -> None:
    best, mean, first = (
        rouge(SUMMARIES, references, options(how)).f1["rouge1"]
        for references, how in (
            (REFERENCES, "best"),
            (REFERENCES, "mean"),
            ([several[:1] for several in REFERENCES], "best"),
        )
    )
    assert best > first
    assert best > mean


def test_by_hand() -> None:
    found = rouge(["Cats running home."], [["The cat runs home quickly. A dog sleeps"]], options())
    # cat run home (ROUGE stems words of more than three letters) of 3 words, and of 8
    assert found.precision["rouge1"] == pytest.approx(100.0)
    assert found.recall["rouge1"] == pytest.approx(100 * 3 / 8)
    assert found.f1["rouge1"] == pytest.approx(100 * 2 * 3 / (3 + 8))
    assert found.f1["rouge2"] == pytest.approx(100 * 2 * 2 / (2 + 7))
    assert found.f1["rougeL"] == pytest.approx(100 * 2 * 3 / (3 + 8))


def test_sentences_in_another_order_are_the_same_to_rouge_lsum_alone() -> None:
    found = rouge(["Ann reads a book. Bob sleeps."], [["Bob sleeps. Ann reads a book."]], options())
    assert found.f1["rougeLsum"] == pytest.approx(100.0)
    assert found.f1["rougeL"] == pytest.approx(100 * 4 / 6)


def test_intervals_are_those_of_rouge_scores_aggregator() -> None:
    found = rouge(SUMMARIES, REFERENCES, options())
    for kind in KINDS:
        aggregator = BootstrapAggregator()
        for scores in by_library("best"):
            aggregator.add_scores({kind: scores[kind]})
        np.random.seed(12345)
        expected = aggregator.aggregate()[kind]
        for part, name in (("precision", "precision"), ("recall", "recall"), ("f1", "fmeasure")):
            low, high = found.intervals[kind][part]
            assert (low, high) == pytest.approx((100 * getattr(expected.low, name), 100 * getattr(expected.high, name)))
            assert low < getattr(found, part)[kind] < high


def test_intervals_leave_the_random_state_of_others_alone() -> None:
    np.random.seed(3)
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    resampled(by_document(SUMMARIES, REFERENCES, options()))
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]


def test_what_a_training_monitors_is_the_mean_of_three() -> None:
    f1 = rouge(SUMMARIES, REFERENCES, options("mean")).f1
    expected = (f1["rouge1"] + f1["rouge2"] + f1["rougeL"]) / 3
    assert monitored(SUMMARIES, REFERENCES, options("mean")) == pytest.approx(expected)


def signature_of(references: Sequence[Sequence[str]], how: str = "best") -> str:
    found: Rouge = rouge(["a"] * len(references), references, options(how))
    return found.signature


def test_the_signature_says_what_was_measured() -> None:
    end = "stem:yes|sentences:marks|bs:1000|seed:12345|rouge-score:0.1.2"
    assert signature_of([["a"], ["b"]]) == f"nrefs:1|refs:best|lines:2|{end}"
    assert signature_of([["a", "b", "c"]], "mean") == f"nrefs:3|refs:mean|lines:1|{end}"
    assert signature_of([["a", "b"], ["c"]]) == f"nrefs:var|refs:best|lines:2|{end}"


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(UserError, match="2 summaries cannot be scored against those of 1 documents"):
        rouge(["a", "b"], [["a"]], options())
    with pytest.raises(UserError, match="the set is empty"):
        monitored([], [], options())
