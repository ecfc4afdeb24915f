"""What waits for the last phase of a training, in which all is as the recipe says."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from nmt.training.task import TranslationTask


class BestCheckpoints(ModelCheckpoint):
    """Keeps the best checkpoints, of the last phase: an earlier one is of a model that has yet to learn something."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """See `ModelCheckpoint`."""
        if _is_last(pl_module):
            super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """See `ModelCheckpoint`."""
        if _is_last(pl_module):
            super().on_train_epoch_end(trainer, pl_module)


class Patience(EarlyStopping):
    """Stops a training whose last phase no longer improves."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """See `EarlyStopping`."""
        if _is_last(pl_module):
            super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """See `EarlyStopping`."""
        if _is_last(pl_module):
            super().on_train_epoch_end(trainer, pl_module)


def _is_last(module: pl.LightningModule) -> bool:
    assert isinstance(module, TranslationTask)
    return module.phase is None
