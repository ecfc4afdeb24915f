"""What is asked of the speed, and what the files in results/ say: one table for docs/performance.md."""

import json
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.bench import padding, shares
from benchmarks.peers.compare import speed
from benchmarks.report import RESULTS

PARTS = ("peers", "bench", "bench_4096", "bench_exported", "full_size", "full_size_128")
"""The files that the table is made of."""

Row = tuple[str, str, str, str]
"""What, asked, reached, and whether that is missed."""

_MORE_MEMORY = 1.05  # of a file five times as long, which still counts as the same


def rows(results: dict[str, Any]) -> list[list[str]]:
    """The table.

    Args:
        results: the content of each of `PARTS`.
    """
    parts = (_beside_peers(results["peers"]), _of_the_limit(results), _exported(results), _process(results), _ON_A_GPU)
    return [["", "asked", "reached", ""], *(list(row) for part in parts for row in part)]


def load() -> dict[str, Any]:
    """The content of each of `PARTS`."""
    return {name: json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in PARTS}


def _at_least(what: str, bar: float, reached: float, form: str) -> Row:
    return what, f"≥ {bar:g}{form.partition('}')[2]}", form.format(reached), "" if reached >= bar else "missed"


def _at_most(what: str, bar: float, reached: float, form: str) -> Row:
    return what, f"≤ {form.format(bar)}", form.format(reached), "" if reached <= bar else "missed"


def _ratio(rounds: Sequence[Any], ours: str, peers: Sequence[str]) -> float:
    """How many times as fast as the best peer, the median of the rounds."""
    return statistics.median(speed(each[ours]) / max(speed(each[peer]) for peer in peers) for each in rounds)


def _beside_peers(peers: Any) -> Iterator[Row]:
    for peer, bar in (("OpenNMT-py", 1.7), ("JoeyNMT", 4.0)):
        yield _at_least(f"training, times as fast as {peer}", bar, _ratio(peers["training"], "nmt", [peer]), "{:.2f}×")
    for ours, search, bar in (
        ("nmt", "beam 5, batches", 1.3),
        ("nmt", "greedy, batches", 1.7),
        ("nmt, exported", "beam 5, batches", 4.0),
        ("nmt, exported", "beam 5, one line", 4.0),
        ("nmt, exported", "greedy, one line", 4.0),
    ):
        ((name, rounds),) = _of_search(peers, search)
        best = _ratio(rounds, ours, ["OpenNMT-py", "JoeyNMT"])
        yield _at_least(f"{name}: {ours}, times as fast as the best peer", bar, best, "{:.2f}×")
    ours, theirs = (max(each[name]["peak_mib"] for each in peers["training"]) for name in ("nmt", "OpenNMT-py"))
    yield _at_most("training: peak memory, beside OpenNMT-py's", theirs, ours, "{:,.0f} MiB")


def _of_search(peers: Any, search: str) -> list[tuple[str, Any]]:
    return [found for found in peers["translation"].items() if found[0].startswith(search)]


def _of_the_limit(results: Any) -> Iterator[Row]:
    work = [
        ("64 sentences", 60.0, results["bench"]["training"]),
        ("4,096 tokens", 70.0, results["bench_4096"]["training"]),
    ]
    runs = [(f"training, work, {size}", bar, run["blocks"], run["probes"]) for size, bar, run in work]
    for name, bar in (("full_size", 60.0), ("full_size_128", 70.0)):
        for run in results[name]["runs"]:
            timed = [update for update in run["updates"] if update["timed"]]
            runs.append((f"training, {run['model']}, {run['batch_size']} sentences", bar, timed, run["probes"]))
    for title, bar, blocks, probes in runs:
        reached = shares([each["operations"] / each["seconds"] / 1e9 for each in blocks], probes)
        for product, share in zip(("torch.mm", "oneDNN"), reached, strict=True):
            yield _at_least(f"{title}: of the rate of {product}", bar, 100 * share, "{:.0f} %")
    for name in ("full_size", "full_size_128"):
        for run in results[name]["runs"]:
            title = f"training, {run['model']}, {run['batch_size']} sentences: peak memory"
            yield _at_most(title, 16 * 1024, run["peak_mib"], "{:,.0f} MiB")
    for size, _, run in work:
        yield _at_most(f"training, work, {size}: target padding", 5.0, 100 * padding(run["blocks"]), "{:.1f} %")


def _exported(results: Any) -> Iterator[Row]:
    """BLEU after the export less that before it, of the trained model and of that of the comparison."""
    for search in ("greedy", "beam 5"):
        before, after = (results[name]["translation"][search][0]["bleu"] for name in ("bench", "bench_exported"))
        yield _at_least(f"{search}, the work: change of BLEU by nmt export", -0.2, after - before, "{:+.2f}")
        ((_, rounds),) = _of_search(results["peers"], f"{search}, batches")
        before, after = (rounds[-1][name]["bleu"] for name in ("nmt", "nmt, exported"))
        title = f"{search}, the comparison's model of {results['peers']['train_updates']} updates: change of BLEU"
        yield _at_least(title, -0.2, after - before, "{:+.2f}")


def _process(results: Any) -> Iterator[Row]:
    """The whole `nmt translate`."""
    starts = {name: statistics.median(results[name]["start"]["seconds"]) for name in ("bench", "bench_exported")}
    for title, name in (("", "bench"), (", exported", "bench_exported")):
        yield _at_most(
            f"nmt translate of one line{title}, from the start of the process", 3.0, starts[name], "{:.1f} s"
        )
    files = results["bench_exported"]["file"]
    short, long = (each["lines"] / each["seconds"] for each in files)
    names = [f"{each['lines']:,}" for each in files]
    title = f"a file of {names[1]} lines beside one of {names[0]}"
    yield _at_least(f"{title}: lines/s of the whole process", 100.0, 100 * long / short, "{:.0f} %")
    least, most = (each["peak_mib"] for each in files)
    yield _at_most(f"{title}: peak memory", _MORE_MEMORY * least, most, "{:,.0f} MiB")


_ON_A_GPU: list[Row] = [
    ("training on a GPU, times as fast as the plain loop", "≥ 5×", "not measured", ""),
    ("RNNsearch-50 on a GPU in bf16-mixed, target tokens/s", "≥ 300,000", "not measured", ""),
]
