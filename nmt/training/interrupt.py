"""Ctrl-C during a training: finish the step, save, stop."""

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl


class Interrupted(Exception):
    """The training was asked to stop, and its state has been saved."""


class StopOnRequest(pl.Callback):
    """Saves a checkpoint after the step during which Ctrl-C was pressed, and stops; a second Ctrl-C stops at once.

    If the step is followed by a validation, this comes first: a resumed run would not make up for it. The checkpoint
    that belongs to it replaces the one saved here.
    """

    def __init__(self, checkpoint: Path) -> None:
        """`checkpoint` is the file to save."""
        self.checkpoint = checkpoint
        self.requested = False
        self._before: Any = None
        self._saved = False
        self._steps = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begins to listen, unless Ctrl-C is to be ignored, as by a script's command in the background."""
        self._steps = trainer.global_step
        before = signal.getsignal(signal.SIGINT)
        if before is not signal.SIG_IGN:
            self._before = before
            signal.signal(signal.SIGINT, self._request)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves after an optimizer step, all processes after the same one."""
        if trainer.global_step == self._steps:  # gradients are being accumulated, and would be lost
            return
        self._steps = trainer.global_step
        if self._requested_by_any(trainer):
            trainer.save_checkpoint(self.checkpoint)
            self._saved = True

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Stops before the next step."""
        self._stop_if_saved()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stops before the next epoch."""
        self._stop_if_saved()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stops listening; a training that was to stop in its last step is saved, and not tested."""
        self._restore()
        if self._requested_by_any(trainer):
            raise Interrupted

    def _requested_by_any(self, trainer: pl.Trainer) -> bool:
        if trainer.world_size == 1:
            return self.requested
        return bool(trainer.strategy.reduce_boolean_decision(self.requested, all=False))

    def _stop_if_saved(self) -> None:
        if self._saved:
            raise Interrupted

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
