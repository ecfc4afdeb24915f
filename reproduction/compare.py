"""Tests every two rows that a claim compares, with the translations of the finished runs that were collected."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nmt.report.collect import Run, SharedSet, comparable, read_runs
from nmt.report.models import load_set
from reproduction.claims import CLAIMS
from reproduction.files import Result
from reproduction.significance import difference, gain_by_length


def compared_rows() -> list[tuple[str, str]]:
    """Rows of which a paper says that the first is better."""
    pairs = (pair for claim in CLAIMS for pair in claim.pairs if pair.row is None)
    return list(dict.fromkeys((pair.better, pair.worse) for pair in pairs))


def find_runs(folder: Path, results: Sequence[Result]) -> list[tuple[Result, Run]]:
    """The results whose runs lie somewhere below the folder; a run is known by its time, to a fraction of a second."""
    folders = sorted(path.parent for path in folder.rglob("results.json") if (path.parent / "hypotheses").is_dir())
    runs = {run.results["train"]["seconds"]: run for run in read_runs(folders)} if folders else {}
    return [(result, runs[result["seconds"]]) for result in results if result["seconds"] in runs]


def compare(found: Sequence[tuple[Result, Run]], say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Every pair of runs in one direction, for every two rows that are compared."""
    comparisons = []
    for one, other in _pairs(found):
        (better, first), (worse, second) = one, other
        direction = {side: better[side] for side in ("source", "target")}
        seeds = {"seeds": [better["seed"], worse["seed"]]}
        say(f"{better['row']} and {worse['row']}, {better['source']}-{better['target']}, seeds {seeds['seeds']}")
        comparisons.append(
            {"better": better["row"], "worse": worse["row"], **direction, **seeds, **_test(first, second)}
        )
    return comparisons


def _pairs(found: Sequence[tuple[Result, Run]]) -> Iterator[tuple[tuple[Result, Run], tuple[Result, Run]]]:
    """Two runs that have translated and been scored on the same, of rows that are compared."""
    for better, worse in compared_rows():
        for one in (pair for pair in found if pair[0]["row"] == better):
            for other in (pair for pair in found if pair[0]["row"] == worse):
                if len(comparable([one[1], other[1]])) == 1:
                    yield one, other


def _test(one: Run, other: Run) -> dict[str, Any]:
    references = one.lines("reference")
    sources = load_set(SharedSet([one, other], references)).sources
    lines, others, options = one.lines("beam"), other.lines("beam"), one.recipe.evaluation
    return {
        **difference(lines, others, references, options),
        **gain_by_length(lines, others, references, sources, options),
    }
