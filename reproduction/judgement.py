"""The claims beside the evidence of the result files."""

from collections.abc import Sequence

from reproduction.claims import TRAINED, Claim, Direction, Evidence, Pair, verdict
from reproduction.compare import Comparison
from reproduction.files import Result
from reproduction.rows import between, of_row
from reproduction.significance import LONG, Difference
from reproduction.tables import markdown

Judged = list[tuple[Direction, Pair, list[Evidence]]]
"""What is known of each pair of a claim, in each direction."""


def judge(claim: Claim, results: Sequence[Result], comparisons: Sequence[Comparison]) -> Judged:
    """The evidence of each pair in each direction."""
    return [
        (
            direction,
            pair,
            _searched(pair, results, direction) if pair.row else _tested(claim, pair, comparisons, direction),
        )
        for direction, rows in TRAINED.items()
        for pair in claim.pairs
        if set(pair.rows) <= set(rows)
    ]


def _searched(pair: Pair, results: Sequence[Result], direction: Direction) -> list[Evidence]:
    assert pair.row is not None
    return [
        Evidence(str(result["seed"]), Difference(found["bleu"][0], found["bleu"][1], found["p"]))
        for result in of_row(results, pair.row, direction)
        for found in result.get("pairs", [])
        if (found["better"], found["worse"]) == (pair.better, pair.worse)
    ]


def _tested(claim: Claim, pair: Pair, comparisons: Sequence[Comparison], direction: Direction) -> list[Evidence]:
    wanted = (pair.better, pair.worse, direction)
    found = (each for each in comparisons if (each.better, each.worse, each.direction) == wanted)
    tested = ((each.seeds, each.gain if claim.by_length else each.bleu) for each in found)
    return [Evidence(" and ".join(map(str, seeds)), value) for seeds, value in tested if value is not None]


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
    ours = "; ".join(f"{each.of.better:.2f} and {each.of.worse:.2f}, p {each.of.p:.3f}, {each.seeds}" for each in found)
    return [between(direction), _better(pair), pair.worse, pair.paper, ours, f"**{verdict(found)}**"]


def _better(pair: Pair) -> str:
    return f"{pair.row}, {pair.better}" if pair.row else pair.better
