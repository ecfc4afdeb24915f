"""Our side of the comparison."""

import shutil
import statistics
import sys
from dataclasses import dataclass
from importlib.metadata import version

from benchmarks.peers.toolkit import Search, Speed, Translated, Work
from benchmarks.process import run, run_module


@dataclass(frozen=True)
class Ours:
    """The package of this repository, as it is now.

    Attributes:
        work: what is measured.
        exported: whether translation is by the model that `nmt export` makes.
    """

    work: Work
    exported: bool = False

    @property
    def name(self) -> str:
        """See `Toolkit`."""
        return "nmt, exported" if self.exported else "nmt"

    def version(self) -> str:
        """See `Toolkit`."""
        return f"nmt {version('nmt')}, torch {version('torch')}"

    def set_up(self) -> None:
        """It is installed, or this would not run."""

    def train(self, updates: int) -> None:
        """See `Toolkit`; as a person would, with `nmt train` and `nmt export`."""
        models = self.work.folder / "models"
        trained, exported = models / "nmt", models / "nmt-exported"
        command = [sys.executable, "-m", "nmt.cli"]
        if not (trained / "results.json").exists():
            limits = [f"trainer.max_steps={updates}", "trainer.max_epochs=null"]
            resume = ["--resume"] if (trained / "checkpoints" / "last.ckpt").exists() else []
            recipe = [str(self.work.recipe_path), *self.work.overrides, *limits]
            run([*command, "train", *recipe, "--run", str(trained), *resume])
        if self.exported:  # anew, by the present code
            shutil.rmtree(exported, ignore_errors=True)
            run([*command, "export", str(exported), "--model", str(trained)])

    def speed(self, updates: int, block: int) -> Speed:
        """See `Toolkit`."""
        sizes = ["--blocks", updates // block - 1, "--updates", block, "--warm-up", block]
        finished = run_module("training", *map(str, [self.work.recipe_path, *self.work.overrides, *sizes]))
        blocks = finished.result()["blocks"]
        rates = [each["target_tokens"] / each["seconds"] for each in blocks]
        return Speed(rates, finished.peak_mib, finished.largest_mib)

    def translate(self, search: Search) -> Translated:
        """See `Toolkit`."""
        model = self.work.folder / "models" / ("nmt-exported" if self.exported else "nmt")
        arguments = ["--model", model, "--rounds", 1, "--warm-up", 0, "--lines", search.lines]
        arguments += ["--beam", search.beam_size, "--batch-size", search.batch_size]
        arguments += ["--single"] if search.batch_size == 1 else []
        finished = run_module("translation", *map(str, [self.work.recipe_path, *self.work.overrides, *arguments]))
        result = finished.result()
        seconds = statistics.median(each["seconds"] for each in result["rounds"])
        return Translated(seconds, result["bleu"], result["words"], finished.peak_mib, finished.largest_mib)
