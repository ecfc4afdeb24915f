"""What is asked of the speed on two cores, and what the files in results/ say: one table for docs/performance.md."""

import json
import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.bench import shares
from benchmarks.peers.compare import speed
from benchmarks.report import RESULTS

PARTS = ("peers", "bench", "bench_4096", "bench_exported", "full_size", "full_size_128")
"""The files that the table is made of."""


def rows(results: dict[str, Any]) -> list[list[str]]:
    """The table.

    Args:
        results: the content of each of `PARTS`.
    """
    found = [["", "asked", "reached", ""]]
    for title, at_least, reached, unit in [*_beside_peers(results["peers"]), *_of_the_limit(results)]:
        found.append(
            [title, f"≥ {at_least:g}{unit}", f"{reached:.2f}{unit}" if unit == "×" else f"{reached:.0f}{unit}"]
        )
        found[-1].append("" if reached >= at_least else "missed")
    for title, at_most, reached, unit in _at_most(results):
        found.append(
            [title, f"≤ {at_most:,.4g}{unit}", f"{reached:,.4g}{unit}", "" if reached <= at_most else "missed"]
        )
    return found


def load() -> dict[str, Any]:
    """The content of each of `PARTS`."""
    return {name: json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in PARTS}


def _ratio(rounds: Sequence[Any], ours: str, peers: Sequence[str]) -> float:
    """How many times as fast as the best peer, the median of the rounds."""
    return statistics.median(speed(each[ours]) / max(speed(each[peer]) for peer in peers) for each in rounds)


def _beside_peers(peers: Any) -> list[tuple[str, float, float, str]]:
    found = [
        (f"training, times as fast as {peer}", bar, _ratio(peers["training"], "nmt", [peer]), "×")
        for peer, bar in (("OpenNMT-py", 1.7), ("JoeyNMT", 4.0))
    ]
    for ours, search, bar in (
        ("nmt", "beam 5, batches", 1.3),
        ("nmt", "greedy, batches", 1.7),
        ("nmt, exported", "beam 5, batches", 4.0),
        ("nmt, exported", "beam 5, one line", 4.0),
        ("nmt, exported", "greedy, one line", 4.0),
    ):
        ((name, rounds),) = [item for item in peers["translation"].items() if item[0].startswith(search)]
        best = _ratio(rounds, ours, ["OpenNMT-py", "JoeyNMT"])
        found.append((f"{name}: {ours}, times as fast as the best peer", bar, best, "×"))
    return found


def _of_the_limit(results: Any) -> list[tuple[str, float, float, str]]:
    work = [
        ("64 sentences", 60.0, results["bench"]["training"]),
        ("4,096 tokens", 70.0, results["bench_4096"]["training"]),
    ]
    runs = [(f"training, work, {size}", bar, run["blocks"], run["probes"]) for size, bar, run in work]
    for name, bar in (("full_size", 60.0), ("full_size_128", 70.0)):
        for run in results[name]["runs"]:
            timed = [update for update in run["updates"] if update["timed"]]
            runs.append((f"training, {run['model']}, {run['batch_size']} sentences", bar, timed, run["probes"]))
    found = []
    for title, bar, blocks, probes in runs:
        reached = shares([each["operations"] / each["seconds"] / 1e9 for each in blocks], probes)
        for product, share in zip(("torch.mm", "oneDNN"), reached, strict=True):
            found.append((f"{title}: of the rate of {product}", bar, 100 * share, " %"))
    short, long = (each["lines"] / each["seconds"] for each in results["bench_exported"]["file"])
    found.append(("a file of 100,000 lines: of the rate of a file of 4,000", 100.0, 100 * long / short, " %"))
    return found


def _at_most(results: Any) -> list[tuple[str, float, float, str]]:
    training, exported, whole = results["peers"]["training"], results["bench_exported"], results["bench"]
    ours, theirs = (max(each[name]["peak_mib"] for each in training) for name in ("nmt", "OpenNMT-py"))
    found = [("training: peak memory beside OpenNMT-py's", theirs, ours, " MiB")]
    for search in ("greedy", "beam 5"):
        before, after = (results["translation"][search][0]["bleu"] for results in (whole, exported))
        found.append((f"{search}: BLEU lost by nmt export", 0.2, max(before - after, 0.0), ""))
    for title, starts in (("", whole), (", exported", exported)):
        found.append(
            (f"nmt translate of one line{title}, cold", 3.0, statistics.median(starts["start"]["seconds"]), " s")
        )
    return found
