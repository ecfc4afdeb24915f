"""Ctrl-C during a training: finish the step, save, stop."""

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl


class Interrupted(Exception):
    """The training was asked to stop, and its state has been saved."""


class StopOnRequest(pl.Callback):
    """Saves a checkpoint after the step during which Ctrl-C was pressed, and stops; a second Ctrl-C stops at once."""

    def __init__(self, checkpoint: Path) -> None:
        """`checkpoint` is the file to save."""
        self.checkpoint = checkpoint
        self.requested = False
        self._before: Any = None
        self._steps = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begins to listen."""
        self._steps = trainer.global_step
        self._before = signal.signal(signal.SIGINT, self._request)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stops after an optimizer step, all processes after the same one."""
        if trainer.global_step == self._steps:  # gradients are being accumulated, and would be lost
            return
        self._steps = trainer.global_step
        requested = self.requested
        if trainer.world_size > 1:
            requested = trainer.strategy.reduce_boolean_decision(requested, all=False)
        if requested:
            trainer.save_checkpoint(self.checkpoint)
            raise Interrupted

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stops listening."""
        self._restore()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Stops listening."""
        self._restore()

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        signal.signal(signal.SIGINT, self._before)

    def _restore(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None
