"""The recipe's `trainer`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from nmt.recipe.section import NonNegative, NonNegativeFloat, Positive, Problem, Section


class TrainerOptions(Section):
    """Arguments of Lightning's Trainer, under its own names."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    """What computes. auto: a GPU where there is one."""
    devices: Positive | Literal["auto"] | Annotated[list[NonNegative], Field(min_length=1)] = "auto"
    """How many, or the numbers of which; each has a process of its own. auto: all GPUs, or one process on the CPU."""
    num_nodes: Positive = 1
    """Machines that train together, with as many devices each."""
    strategy: Literal["auto", "ddp"] = "auto"
    """How several processes train together. auto: ddp where there are several GPUs; several processes on the CPU need
    ddp."""
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    """auto: bf16-mixed on a GPU that has it, else 32-true."""
    max_epochs: Positive | None = 10
    """Stop after so many passes through the training text. null: `max_steps` says when."""
    max_steps: Annotated[int, Field(ge=-1)] = -1
    """Stop after so many updates of the weights. -1: `max_epochs` says when."""
    max_time: Annotated[str, Field(pattern=r"^\d{2}:\d{2}:\d{2}:\d{2}$")] | None = None
    """Stop after this time, DD:HH:MM:SS."""
    limit_train_batches: Positive | None = None
    """An epoch is this many batches, others at random each time, and not a pass through the training text; in them are
    counted what a recipe counts in epochs. null: it is the whole text."""
    val_check_interval: Annotated[int, Field(ge=2)] | Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Validate whenever so many batches are done, or such a share of an epoch. null: at the end of an epoch."""
    check_val_every_n_epoch: Positive | None = 1
    """Validate in every n-th epoch. null: the batches of `val_check_interval` are counted across epochs."""
    accumulate_grad_batches: Positive = 1
    """Batches whose gradients make up one update of the weights."""
    gradient_clip_val: NonNegativeFloat | None = 1.0
    """The norm of the whole gradient is made no larger than this. null or 0: it stays as it is."""
    deterministic: bool = False
    """On a GPU, only operations that give the same in every run, which may be slower."""
    log_every_n_steps: Positive = 50
    """The training loss is noted, as the mean since the last time, whenever so many updates are done."""

    def problems(self) -> Iterator[Problem]:
        """See `Section`."""
        if self.max_epochs is None and self.max_steps == -1:
            yield "max_epochs", "give it or max_steps; max_time alone does not say how many steps to plan"
        interval = self.val_check_interval
        if self.accumulate_grad_batches == 1 or interval in (None, 1.0):
            return
        # Else a checkpoint could fall between two batches of one step, and a resumed run would lose a gradient.
        if not isinstance(interval, int) or interval % self.accumulate_grad_batches:
            yield "val_check_interval", "must be a multiple of accumulate_grad_batches"
        if self.check_val_every_n_epoch is None:
            yield "check_val_every_n_epoch", "null cannot be had with accumulate_grad_batches"
