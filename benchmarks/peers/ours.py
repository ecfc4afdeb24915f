"""Our side of the comparison."""

import statistics
import sys
from dataclasses import dataclass
from importlib.metadata import version

from benchmarks.peers.toolkit import Search, Speed, Translated, Work
from benchmarks.process import run, run_module


@dataclass(frozen=True)
class Ours:
    """The package of this repository, as it is now."""

    work: Work

    @property
    def name(self) -> str:
        """See `Toolkit`."""
        return "nmt"

    def version(self) -> str:
        """See `Toolkit`."""
        return f"nmt {version('nmt')}, torch {version('torch')}"

    def set_up(self) -> None:
        """It is installed, or this would not run."""

    def train(self, updates: int) -> None:
        """See `Toolkit`; as a person would, with `nmt train`."""
        folder = self.work.folder / "models" / self.name
        if (folder / "results.json").exists():
            return
        command = [sys.executable, "-m", "nmt.cli", "train", str(self.work.recipe_path), *self.work.overrides]
        limits = [f"trainer.max_steps={updates}", "trainer.max_epochs=null", "data.test=null"]
        resume = ["--resume"] if (folder / "checkpoints" / "last.ckpt").exists() else []
        run([*command, *limits, "--run", str(folder), *resume])

    def speed(self, updates: int, block: int) -> Speed:
        """See `Toolkit`."""
        sizes = ["--blocks", updates // block - 1, "--updates", block, "--warm-up", block]
        finished = run_module("training", *map(str, [self.work.recipe_path, *self.work.overrides, *sizes]))
        blocks = finished.result()["blocks"]
        rates = [each["target_tokens"] / each["seconds"] for each in blocks]
        return Speed(rates, finished.peak_mib, finished.largest_mib)

    def translate(self, search: Search) -> Translated:
        """See `Toolkit`."""
        arguments = ["--model", self.work.folder / "models" / self.name, "--rounds", 1, "--lines", search.lines]
        arguments += ["--beam", search.beam_size, "--batch-size", search.batch_size]
        arguments += ["--single"] if search.batch_size == 1 else []
        finished = run_module("translation", *map(str, [self.work.recipe_path, *self.work.overrides, *arguments]))
        result = finished.result()
        seconds = statistics.median(each["seconds"] for each in result["rounds"])
        return Translated(seconds, result["bleu"], finished.peak_mib, finished.largest_mib)
