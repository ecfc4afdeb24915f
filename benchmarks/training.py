"""How fast a recipe trains: blocks of updates of the real training loop, with the machine's own rate between them.

Runs in a process of its own, whose last line of output is the result as JSON.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import pytorch_lightning as pl
import torch

from benchmarks.machine import Probe, describe_machine, one_thread, probe, synchronize
from benchmarks.operations import TRAINING, Costs, costs
from benchmarks.process import own_peak_mib
from benchmarks.report import positive
from nmt.data.batch import Batch
from nmt.data.corpus import load_split
from nmt.data.encoded import encode_corpus
from nmt.data.module import TranslationData
from nmt.data.prepare import prepare_tokenizers
from nmt.memory import keep_freed_memory
from nmt.model.build import build_model
from nmt.recipe_file import load_recipe
from nmt.tokenizer import PAD
from nmt.training.console import RunLog
from nmt.training.run import make_trainer
from nmt.training.task import TranslationTask

NEVER = 1_000_000  # epochs to the next validation


class Block(TypedDict):
    """Some updates: their time, what they trained on, and the arithmetic that it needs, forward and backward."""

    seconds: float
    updates: int
    target_tokens: int
    source_tokens: int
    padded_target_tokens: int
    operations: int


class BlockTimer(pl.Callback):
    """Times blocks of updates and probes the machine before and after each; the probes are not in the time.

    Attributes:
        blocks: those that are complete.
        probes: one more than there are blocks, with all threads.
    """

    def __init__(self, model_costs: Costs, updates: int, warm_up: int) -> None:
        """Blocks of so many `updates`, after `warm_up` that are not counted."""
        self.blocks: list[Block] = []
        self.probes: list[Probe] = []
        self._costs = model_costs
        self._updates = updates
        self._warm_up = warm_up
        self._lengths: list[tuple[torch.Tensor, torch.Tensor, int]] = []
        self._start = 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Ends a block, perhaps."""
        self._lengths.append((batch.src_lengths, (batch.tgt_out != PAD).sum(dim=1), batch.tgt_out.numel()))
        past = trainer.global_step - self._warm_up
        if past < 0 or past % self._updates:
            return
        synchronize(pl_module.device)
        seconds = time.perf_counter() - self._start
        if past > 0:
            self.blocks.append(self._block(seconds))
        self._lengths.clear()
        self.probes.append(probe(pl_module.device))
        self._start = time.perf_counter()

    def _block(self, seconds: float) -> Block:
        sources = [length for lengths, _, _ in self._lengths for length in lengths.tolist()]
        targets = [length for _, lengths, _ in self._lengths for length in lengths.tolist()]
        return Block(
            seconds=seconds,
            updates=self._updates,
            target_tokens=sum(targets),
            source_tokens=sum(sources),
            padded_target_tokens=sum(padded for _, _, padded in self._lengths),
            operations=TRAINING * self._costs.forward(sources, targets),
        )


def measure(recipe_path: Path, overrides: Sequence[str], blocks: int, updates: int, warm_up: int) -> dict[str, Any]:
    """Trains `warm_up + blocks * updates` updates as `nmt train` does, without a validation in between."""
    keep_freed_memory()  # as nmt train does
    limits = [
        "data.validation=validation[:64]",
        "data.test=null",
        f"trainer.max_steps={warm_up + blocks * updates}",
        "trainer.max_epochs=null",
        f"trainer.check_val_every_n_epoch={NEVER}",
    ]
    loaded = load_recipe(recipe_path, [*overrides, *limits])
    recipe = loaded.recipe
    training, validation = (load_split(recipe.data, split) for split in (recipe.data.train, recipe.data.validation))
    tokenizers = prepare_tokenizers(loaded, training, say=lambda _: None)
    usable = encode_corpus(training, tokenizers, recipe.data.workers).usable(recipe.data.max_length)
    data = TranslationData(recipe, tokenizers, usable, encode_corpus(validation, tokenizers, 1))
    torch.manual_seed(recipe.training.seed)
    model = build_model(recipe.model, len(tokenizers.source), len(tokenizers.target))
    task = TranslationTask(
        model, tokenizers, recipe, data.planned_steps(), validation["source"][:], validation["target"][:]
    )
    timer = BlockTimer(costs(recipe.model, len(tokenizers.target)), updates, warm_up)
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(recipe, Path(folder), RunLog(quiet=True))
        trainer.callbacks = [timer, *trainer.callbacks]  # type: ignore[attr-defined]  # it is a plain attribute
        with one_thread():
            single = [probe(torch.device("cpu"))]
        trainer.fit(task, data)
        with one_thread():
            single.append(probe(torch.device("cpu")))
    return {
        "recipe": recipe.model_dump(exclude={"data": {"path"}}),
        "pairs": len(usable),
        "epoch_target_tokens": int(usable.tgt_lengths.sum()),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "machine": describe_machine(),
        "blocks": timer.blocks,
        "probes": timer.probes,
        "probes_one_thread": single,
        "last_loss": task.last_loss,
        "peak_mib": own_peak_mib(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("overrides", nargs="*", help="key=value, fields of the recipe to change")
    parser.add_argument("--blocks", type=positive, default=8)
    parser.add_argument("--updates", type=positive, default=50, help="updates in a block")
    parser.add_argument("--warm-up", type=int, default=20, help="updates before the first block")
    options = parser.parse_args(arguments)
    measured = measure(options.recipe, options.overrides, options.blocks, options.updates, options.warm_up)
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
