"""Compares every two rows of which a paper says that the first is better, run by run, from the result files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from reproduction.claims import CLAIMS
from reproduction.files import Result
from reproduction.significance import (
    SEED,
    Difference,
    Resampled,
    difference,
    difference_of_gains,
    is_long,
    read,
    resample,
)


@dataclass(frozen=True)
class Comparison:
    """Two runs in one direction.

    Attributes:
        better: the row that should be better.
        worse: the other row.
        direction: source and target language.
        seeds: of both runs.
        bleu: of both, on the whole test set.
        gain: in BLEU, of the first over the second, on long and on short sources; None if there are none of either.
    """

    better: str
    worse: str
    direction: tuple[str, str]
    seeds: tuple[int, int]
    bleu: Difference
    gain: Difference | None


@dataclass(frozen=True)
class _Measured:
    """A result with the samples of its test set, and of its long and its short lines."""

    result: Result
    whole: Resampled
    parts: tuple[Resampled, Resampled] | None


def compared_rows() -> list[tuple[str, str]]:
    """Rows of which a paper says that the first is better."""
    pairs = (pair for claim in CLAIMS for pair in claim.pairs if pair.row is None)
    return list(dict.fromkeys((pair.better, pair.worse) for pair in pairs))


def compare(results: Sequence[Result]) -> list[Comparison]:
    """Every two runs that have translated and been scored on the same, of rows that are compared."""
    rows = {row for pair in compared_rows() for row in pair}
    measured = [_measure(result) for result in results if result["row"] in rows and "counts" in result]
    return [_comparison(one, other) for one, other in _pairs(measured)]


def _measure(result: Result) -> _Measured:
    counts = read(result["counts"])
    long = is_long(counts)
    # Drawn apart: else the samples of both parts would rise and fall together.
    parts = (resample(counts[long]), resample(counts[~long], SEED + 1)) if long.any() and not long.all() else None
    return _Measured(result, resample(counts), parts)


def _pairs(measured: Sequence[_Measured]) -> Iterator[tuple[_Measured, _Measured]]:
    for better, worse in compared_rows():
        for one, other in product(measured, measured):
            if (one.result["row"], other.result["row"]) == (better, worse) and _same(one.result) == _same(other.result):
                yield one, other


def _same(result: Result) -> tuple[Any, ...]:
    """What two runs must have in common."""
    return result["source"], result["target"], result["hashes"]["test"], result["test"]["beam"]["signatures"]["bleu"]


def _comparison(one: _Measured, other: _Measured) -> Comparison:
    better, worse = one.result, other.result
    gain = difference_of_gains(one.parts, other.parts) if one.parts and other.parts else None
    return Comparison(
        better["row"],
        worse["row"],
        (better["source"], better["target"]),
        (better["seed"], worse["seed"]),
        difference(one.whole, other.whole),
        gain,
    )
