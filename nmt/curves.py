"""The learning curves of a run: a line of JSON for each point, written during the training."""

import json
import os
from pathlib import Path

CURVES_FILE = "curves.jsonl"
"""Name of the file in a run's folder."""

Curve = list[tuple[int, float]]
"""Optimizer steps, ascending, and a value at each."""


def append_point(path: Path, step: int, **values: float) -> None:
    """Adds the values after an optimizer step to the end of a file, which is made if need be."""
    line = json.dumps({"step": step, **values}) + "\n"
    with path.open("ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else f"\n{line}"  # a run was killed within a line
        file.write(line.encode())


def read_curves(path: Path) -> dict[str, Curve]:
    """The curve of each name; none if there is no such file, as in runs that were trained before it was written.

    A run that was killed may have half a line, which is left out, and once resumed comes through some steps again, of
    which the later line counts.
    """
    points: dict[str, dict[int, float]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            values = json.loads(line)
        except ValueError:
            continue
        step = values.pop("step")
        for name, value in values.items():
            points.setdefault(name, {})[step] = value
    return {name: sorted(found.items()) for name, found in points.items()}
