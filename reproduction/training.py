"""Trains the rows of which there is no result file yet, by the command that a user types."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nmt.errors import UserError
from reproduction.claims import ROWS, TRAINED, Direction
from reproduction.files import ROOT, Result, name_of

RECIPES = ROOT / "recipes" / "multi30k"


def missing(results: Sequence[Result], direction: Direction, seed: int) -> list[str]:
    """The rows without a result in a direction and with a seed, in their order."""
    known = {name_of(result) for result in results}
    return [row for row in TRAINED.get(direction, ROWS) if _name(row, direction, seed) not in known]


def train_rows(
    rows: Sequence[str], folder: Path, direction: Direction, seed: int, overrides: Sequence[str]
) -> Iterator[tuple[str, Path]]:
    """Trains one row after another; gives each with its finished run.

    A row whose run is there already is left to whoever trains it, so that several can share the work.

    Args:
        rows: names of recipes.
        folder: where the runs lie.
        direction: source and target language.
        seed: of all of them.
        overrides: what else is otherwise than in the recipes, as on the command line.

    Raises:
        UserError: if a training fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source, target = direction
    for row in rows:
        run = folder / _name(row, direction, seed)
        try:
            run.mkdir()
        except FileExistsError:
            continue
        options = [f"data.source={source}", f"data.target={target}", f"training.seed={seed}", *overrides]
        command = [sys.executable, "-m", "nmt.cli", "train", str(RECIPES / f"{row}.yaml"), "--run", str(run), *options]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            raise UserError(f"{run}: the training failed, see above")
        yield row, run


def _name(row: str, direction: Direction, seed: int) -> str:
    return name_of({"row": row, "source": direction[0], "target": direction[1], "seed": seed})
