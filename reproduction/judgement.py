"""The claims beside the evidence of the result files."""

from collections.abc import Mapping, Sequence
from typing import Any

from reproduction.claims import DIRECTIONS, Claim, Evidence, Pair, verdict
from reproduction.files import Result
from reproduction.rows import Direction, between, of_row
from reproduction.significance import LONG
from reproduction.tables import markdown

Judged = list[tuple[Direction, Pair, list[Evidence]]]
"""What is known of each pair of a claim, in each direction."""


def judge(claim: Claim, results: Sequence[Result], comparisons: Sequence[Mapping[str, Any]]) -> Judged:
    """The evidence of each pair in each direction."""
    return [
        (
            direction,
            pair,
            _searched(pair, results, direction) if pair.row else _tested(claim, pair, comparisons, direction),
        )
        for direction in DIRECTIONS
        for pair in claim.pairs
    ]


def _searched(pair: Pair, results: Sequence[Result], direction: Direction) -> list[Evidence]:
    assert pair.row is not None
    return [
        _evidence(str(result["seed"]), found["bleu"], found["p"])
        for result in of_row(results, pair.row, direction)
        for found in result.get("pairs", [])
        if (found["better"], found["worse"]) == (pair.better, pair.worse)
    ]


def _tested(claim: Claim, pair: Pair, comparisons: Sequence[Mapping[str, Any]], direction: Direction) -> list[Evidence]:
    wanted = (pair.better, pair.worse, *direction)
    value, p = ("gain", "gain_p") if claim.by_length else ("bleu", "p")
    return [
        _evidence(" and ".join(map(str, found["seeds"])), found[value], found[p])
        for found in comparisons
        if tuple(found[name] for name in ("better", "worse", "source", "target")) == wanted and value in found
    ]


def _evidence(seeds: str, values: Sequence[float], p: float) -> Evidence:
    better, worse = values
    return Evidence(seeds, better, worse, p)


def claim_section(claim: Claim, judged: Judged, remark: str) -> str:
    """What the papers say, what we find, whether it holds, and why not."""
    what = f"gain on sources of {LONG} words or more, and on shorter ones" if claim.by_length else "BLEU"
    rows = [["direction", "better", "worse", "theirs", f"ours: {what}, p, of seeds", ""]]
    rows += [_compared(*each) for each in judged if each[-1]]
    missing = [
        f"{between(direction)} {_better(pair)} against {pair.worse}" for direction, pair, found in judged if not found
    ]
    paragraphs = [
        f"### {claim.title}",
        claim.statement,
        *([markdown(rows)] if len(rows) > 1 else []),
        *([f"Not yet trained and compared: {'; '.join(missing)}."] if missing else []),
        *([remark.strip()] if remark else []),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _compared(direction: Direction, pair: Pair, found: Sequence[Evidence]) -> list[str]:
    ours = "; ".join(f"{each.better:.2f} and {each.worse:.2f}, p {each.p:.3f}, {each.seeds}" for each in found)
    return [between(direction), _better(pair), pair.worse, pair.paper, ours, f"**{verdict(found)}**"]


def _better(pair: Pair) -> str:
    return f"{pair.row}, {pair.better}" if pair.row else pair.better
