"""Figures of several blocks or rounds in one, tables for the screen, and result files."""

import json
import statistics
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nmt.text import write_text

RESULTS = Path(__file__).parent / "results"


def spread(values: Sequence[float]) -> dict[str, float]:
    """Least, median and greatest."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def positive(text: str) -> int:
    """A whole number from 1 up on a command line."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text, the first column to the left and all others to the right; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(max(map(len, rows)))]
    lines = []
    for row in rows:
        first, *rest = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        )
        lines.append("  ".join([first, *rest]).rstrip())
    lines.insert(1, "-" * sum(widths, 2 * len(widths) - 2))
    return "\n".join(lines)


def write_results(name: str, results: Any) -> Path:
    """Writes results/NAME.json."""
    path = RESULTS / f"{name}.json"
    write_text(path, json.dumps(_rounded(results), indent=1, ensure_ascii=False) + "\n")
    return path


def _rounded(value: Any) -> Any:
    """Six digits are more than any clock here is worth."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    return value
