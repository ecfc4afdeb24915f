"""The learning curves of a run, written while it trains."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from nmt.curves import append_point
from nmt.training.task import TranslationTask


class CurveLog(pl.Callback):
    """Writes the mean training loss of every few steps, and the scores of every validation, to a file."""

    def __init__(self, path: Path, every: int) -> None:
        """Takes the mean of the loss over `every` optimizer steps."""
        self.path = path
        self.every = every
        self._step = 0  # whose loss has been taken
        self._losses: list[float] = []  # since the last line

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begins where a resumed run goes on."""
        self._step = trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Takes the loss of a step, and writes their mean now and then; of accumulated batches the last is a step."""
        if trainer.global_step == self._step:
            return
        assert isinstance(pl_module, TranslationTask)
        self._step = trainer.global_step
        self._losses.append(pl_module.last_loss)
        if len(self._losses) == self.every:
            self._write(trainer, loss=sum(self._losses) / self.every)
            self._losses.clear()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the scores."""
        scores = {name.partition("/"): float(score) for name, score in trainer.callback_metrics.items()}
        self._write(trainer, **{name: score for (kind, _, name), score in scores.items() if kind == "validation"})

    def _write(self, trainer: pl.Trainer, **values: float) -> None:
        if trainer.is_global_zero:
            append_point(self.path, trainer.global_step, **values)
