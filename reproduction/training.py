"""Trains the rows of which there is no result file yet, by the command that a user types."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nmt.errors import StoppedError, UserError
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
        StoppedError: if it is stopped by Ctrl-C; it has saved itself by then.
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
        code = _run(_command(row, run, options))
        if code == StoppedError.exit_code:
            raise StoppedError(f"{run}: stopped; once it has gone on to its end, `collect` writes its result file")
        if code:
            raise UserError(f"{run}: the training failed, see above")
        yield row, run


def _command(row: str, run: Path, options: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "nmt.cli", "train", str(RECIPES / f"{row}.yaml"), "--run", str(run), *options]


def _run(command: Sequence[str]) -> int:
    training = subprocess.Popen(command, cwd=ROOT)
    try:
        return training.wait()
    except KeyboardInterrupt:  # the training has it, too, and saves itself; subprocess.run would kill it soon
        return training.wait()


def _name(row: str, direction: Direction, seed: int) -> str:
    return name_of({"row": row, "source": direction[0], "target": direction[1], "seed": seed})
