"""What waits for the last phase of a training, in which all is as the recipe says."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from nmt.training.task import TranslationTask

_Hook = TypeVar("_Hook", bound=Callable[..., None])


def _in_last_phase(hook: _Hook) -> _Hook:
    """The hook of a callback, which does nothing in the phases before."""

    @wraps(hook)
    def waiting(callback: pl.Callback, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, TranslationTask)
        if pl_module.phase is None:
            hook(callback, trainer, pl_module)

    return cast(_Hook, waiting)


class BestCheckpoints(ModelCheckpoint):
    """Keeps the best checkpoints, of the last phase: an earlier one is of a model that has yet to learn something."""

    on_validation_end = _in_last_phase(ModelCheckpoint.on_validation_end)
    on_train_epoch_end = _in_last_phase(ModelCheckpoint.on_train_epoch_end)


class Patience(EarlyStopping):
    """Stops a training whose last phase no longer improves."""

    on_validation_end = _in_last_phase(EarlyStopping.on_validation_end)
    on_train_epoch_end = _in_last_phase(EarlyStopping.on_train_epoch_end)
