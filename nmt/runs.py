"""Where runs lie: `runs/<recipe>/<time>`; a run is finished once it has a `results.json`."""

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

from nmt.errors import UserError

RUNS = Path("runs")
"""The folder of all runs, in the current one."""

MODEL_FOLDER = "model"
"""The folder in a run's for its bundle."""

TOKENIZERS_FOLDER = "tokenizers"
"""The folder in a run's for the tokenizers that it trains with."""

RUN_VARIABLE = "NMT_RUN"
"""Environment variable that tells the processes of a distributed training the folder of their run."""


def new_run(recipe: str) -> Path:
    """Makes an empty folder for a new run of the recipe, named by the time; no other run gets the same."""
    stem = RUNS / recipe / time.strftime("%Y-%m-%d_%H-%M-%S")
    stem.parent.mkdir(parents=True, exist_ok=True)
    folder, number = stem, 2
    while True:
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            folder, number = stem.with_name(f"{stem.name}_{number}"), number + 1


def make_run(folder: Path) -> Path:
    """Makes the folder that a person has named for a new run.

    Raises:
        UserError: if it holds something, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"--run {folder}: this folder holds other files; give a new one")
    except OSError as error:
        raise UserError(f"--run {folder}: cannot be made: {error.strerror or error}") from None
    return folder


def forget_empty_run(folder: Path) -> None:
    """Removes the folder of a run that came to nothing, and those around it in `runs`, as far as they are empty."""
    with contextlib.suppress(OSError):
        folder.rmdir()
        for place in [place for place in folder.parents if place.is_relative_to(RUNS)]:
            place.rmdir()


def unfinished_run(recipe: str) -> Path:
    """The newest run of the recipe that can be resumed.

    Raises:
        UserError: if there is none.
    """
    found = [
        checkpoint.parents[1]
        for checkpoint in _by_age((RUNS / recipe).glob("*/checkpoints/last.ckpt"))
        if not (checkpoint.parents[1] / "results.json").exists()
    ]
    if not found:
        raise UserError(f"no unfinished run of {recipe} in {RUNS / recipe}; start one without --resume")
    return found[-1]


def newest_finished_run() -> Path:
    """The run that finished last, whatever its recipe.

    Raises:
        UserError: if none has finished, with what to do.
    """
    results = RUNS.rglob("results.json")  # an exported bundle has one, too
    found = _by_age(path for path in results if path.with_name(MODEL_FOLDER).is_dir())
    if not found:
        raise UserError(
            f"no finished run in {RUNS}/; train one with nmt train recipes/numbers-de-en.yaml, "
            "or give a model with --model RUN_OR_BUNDLE"
        )
    return found[-1].parent


def _by_age(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, str(path)))
