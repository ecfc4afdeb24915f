"""Writes the measured tables and plots into docs/performance.md, from the files in results/.

python -m benchmarks.document

Each table stands between two comments that name its file; what is between them is replaced.
"""

import argparse
import io
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from benchmarks import bars, bench, eight_bits, full_size, growth, levers, long_documents, quality
from benchmarks.peers import compare
from benchmarks.report import RESULTS
from nmt.text import write_bytes, write_text

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Replaces every measured block of the page."""
    argparse.ArgumentParser(prog="python -m benchmarks.document", description=__doc__.partition("\n")[0]).parse_args()
    page = PAGE.read_text(encoding="utf-8")
    write_text(PAGE, _BLOCK.sub(lambda found: found[1] + _block(found[2]) + found[3], page))
    return 0


def _block(name: str) -> str:
    results = load(name)
    plots = _PLOTS[name](results) if name in _PLOTS else []
    return "\n" + "\n\n".join([*plots, *tables(name, results), _source(name, results)]) + "\n\n"


def load(name: str) -> Any:
    """What a block is made of: a file, or for the bars several."""
    if name == "bars":
        return bars.load()
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def tables(name: str, results: Any) -> list[str]:
    """The tables of a file as Markdown."""
    if name == "growth":
        return [
            _markdown(growth.rows(what, axis, [growth.Point(**point) for point in points]))
            for what in growth.WHAT
            for axis, points in results[what].items()
        ]
    if name == "levers":
        kinds = [levers.rows(kind, results[kind]) for kind in ("training", "search", "exported") if kind in results]
        more = levers.profile_rows(results["profile"]), levers.tried_rows(results["tried"])
        return [_markdown(found) for found in (*kinds, *more)]
    return [_markdown(_ROWS[name](results))]


def _source(name: str, results: Any) -> str:
    """Where the figures come from."""
    if name == "bars":
        commits = (f"{part} (commit {found['versions']['commit'][:7]})" for part, found in results.items())
        return f"From the tables below: {', '.join(commits)}."
    machine, versions = results["machine"], results["versions"]
    return (
        f"From `benchmarks/results/{name}.json`: {machine['processor']}, {machine['cores']} cores, "
        f"torch {versions['torch']}, commit {versions['commit']}."
    )


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table; the first row is the heading."""
    head, *body = rows
    lines = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join([*row, *[""] * (len(head) - len(row))]) + " |" for row in body]
    return "\n".join(lines)


def _growth_plots(results: Any) -> list[str]:
    links = []
    for what in growth.WHAT:
        file = f"growth-{what.replace(' ', '-')}.png"
        _draw_growth(what, results[what], PAGE.parent / "plots" / file)
        links.append(f"![{what}: arithmetic per second by size](plots/{file})")
    return links


def _draw_growth(what: str, axes: dict[str, list[dict[str, Any]]], path: Path) -> None:
    figure, places = plt.subplots(2, 3, figsize=(10, 5.5), layout="constrained")
    for place in places.flat[len(axes) :]:
        place.set_axis_off()
    for place, (axis, points) in zip(places.flat, axes.items(), strict=False):
        place.plot([point["value"] for point in points], [1000 / point["picoseconds"] for point in points], "o-")
        place.set(xscale="log", xlabel=axis, ylabel="GFLOP/s", ylim=(0, None))
    figure.suptitle(what)
    _save(figure, path)


def _quality_plot(results: Any) -> list[str]:
    figure, place = plt.subplots(figsize=(7.5, 5), layout="constrained")
    for kind, points in quality.points(results).items():
        ours = "updates" not in kind  # trained to the end, with names of their own
        color = None
        for name in dict.fromkeys(point.name.rpartition(", ")[0] for point in points):
            pair = sorted(
                (point for point in points if point.name.rpartition(", ")[0] == name), key=lambda point: point.speed
            )
            style, label = "o-" if ours else "x--", kind if color is None else None
            (line,) = place.plot(
                [point.speed for point in pair], [point.bleu for point in pair], style, color=color, label=label
            )
            color = line.get_color()
            if ours:
                place.annotate(name, (pair[0].speed, pair[0].bleu), (-4, 6), textcoords="offset points", fontsize=8)
    place.set(xscale="log", xlabel="sentences per second; of each pair a beam of 5, then greedy", ylabel="BLEU")
    place.legend()
    _save(figure, PAGE.parent / "plots" / "quality.png")
    return ["![BLEU and sentences per second](plots/quality.png)"]


def _save(figure: Any, path: Path) -> None:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    write_bytes(path, content.getvalue())


_ROWS: dict[str, Callable[[Any], list[list[str]]]] = {
    "bars": bars.rows,
    "bench": bench.rows,
    "bench_4096": bench.rows,
    "bench_exported": bench.rows,
    "peers": compare.rows,
    "quality": quality.rows,
    "eight_bits": eight_bits.rows,
    "full_size": full_size.rows,
    "full_size_128": full_size.rows,
    "gpu": full_size.rows,
    "long_documents": long_documents.rows,
}
_PLOTS: dict[str, Callable[[Any], list[str]]] = {"growth": _growth_plots, "quality": _quality_plot}


if __name__ == "__main__":
    sys.exit(main())
