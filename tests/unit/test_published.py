"""Published figures beside our own: the right figure of ours, and where it lies."""

from typing import Any

import pytest

from nmt.published import compare, comparison_table
from nmt.recipe.recipe import Recipe

RESULTS = {
    "validation": {"beam": {"bleu": 10.0}, "greedy": {"bleu": 9.0}, "no_unk": {"bleu": 11.0}, "perplexity": 8.0},
    "test": {
        "beam": {"bleu": 27.0, "bleu_before_replacement": 25.0},
        "greedy": {"bleu": 26.0},
        "no_unk": {"bleu": 34.0},
        "perplexity": 7.0,
    },
}


def recipe(*figures: dict[str, Any]) -> Recipe:
    stated = {"system": "RNNsearch-50", "metric": "BLEU, newstest2014", "value": 26.75, "source": "Table 1"}
    return Recipe.model_validate(
        {"data": {"path": "corpus"}, "published": [{**stated, **figure} for figure in figures]}
    )


@pytest.mark.parametrize(
    ("key", "own"),
    [
        ("test.beam.bleu", 27.0),
        ("test.beam.bleu_before_replacement", 25.0),
        ("test.greedy.bleu", 26.0),
        ("test.no_unk.bleu", 34.0),
        ("test.perplexity", 7.0),
        ("validation.beam.bleu", 10.0),
        ("validation.greedy.bleu", 9.0),
        ("validation.no_unk.bleu", 11.0),
        ("validation.perplexity", 8.0),
        (None, None),
    ],
)
def test_the_figure_of_ours_that_is_asked_for(key: str | None, own: float | None) -> None:
    (comparison,) = compare(recipe({"of": key}), RESULTS)
    assert comparison.own == own


@pytest.mark.parametrize(
    ("band", "verdict"),
    [([26, 28], "inside"), ([27, 27], "inside"), ([27.01, 28], "below"), ([25, 26.99], "above"), (None, None)],
)
def test_where_ours_lies(band: list[float] | None, verdict: str | None) -> None:
    (comparison,) = compare(recipe({"band": band}), RESULTS)
    assert comparison.verdict == verdict
    assert comparison.as_dict() == {
        "system": "RNNsearch-50",
        "metric": "BLEU, newstest2014",
        "value": 26.75,
        "source": "Table 1",
        "languages": None,
        "of": "test.beam.bleu",
        "band": band,
        "differs": None,
        "own": 27.0,
        "verdict": verdict,
    }


def test_a_figure_of_other_languages_is_not_shown() -> None:
    stated = recipe({"languages": ["de", "en"], "system": "theirs"}, {"system": "all"})
    for source, target, systems in (("de", "en", ["theirs", "all"]), ("en", "de", ["all"])):
        data = stated.data.model_copy(update={"source": f"translation.{source}", "target": f"translation.{target}"})
        run = stated.model_copy(update={"data": data})
        assert [comparison.published.system for comparison in compare(run, RESULTS)] == systems


def test_a_set_that_was_not_measured_has_no_figure() -> None:
    (comparison,) = compare(recipe({"band": [26, 28]}), {"validation": RESULTS["validation"]})
    assert (comparison.own, comparison.verdict) == (None, None)


def test_the_table_says_what_both_figures_are() -> None:
    stated = recipe({"band": [25.75, 27.75]}, {"of": None, "value": 28.45}, {"differs": "3,003 sentences"})
    table = comparison_table(compare(stated, RESULTS), stated).splitlines()
    assert [line.split() for line in table] == [
        ["published", "theirs", "ours", "expected"],
        ["RNNsearch-50", "26.75", "27.00", "25.75", "to", "27.75:", "inside"],
        ["theirs:", "BLEU,", "newstest2014", "(Table", "1)"],
        ["ours:", "test.beam.bleu,", "corpus"],
        ["RNNsearch-50", "28.45", "-", "for", "reference"],
        ["theirs:", "BLEU,", "newstest2014", "(Table", "1)"],
        ["RNNsearch-50", "26.75", "27.00", "no", "band"],
        ["theirs:", "BLEU,", "newstest2014", "(Table", "1)"],
        ["ours:", "test.beam.bleu,", "corpus;", "3,003", "sentences"],
    ]
    assert comparison_table([], stated) == ""
