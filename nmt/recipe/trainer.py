"""The recipe's `trainer`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from nmt.recipe.section import NonNegative, NonNegativeFloat, Positive, Problem, Section


class TrainerOptions(Section):
    """Arguments of Lightning's Trainer, under its own names."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    devices: Positive | Literal["auto"] | Annotated[list[NonNegative], Field(min_length=1)] = "auto"
    num_nodes: Positive = 1
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    """auto: bf16-mixed on a GPU that has it, else 32-true."""
    max_epochs: Positive | None = 10
    max_steps: Annotated[int, Field(ge=-1)] = -1
    max_time: Annotated[str, Field(pattern=r"^\d{2}:\d{2}:\d{2}:\d{2}$")] | None = None
    """Stop after this time, DD:HH:MM:SS."""
    val_check_interval: Annotated[int, Field(ge=2)] | Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    check_val_every_n_epoch: Positive | None = 1
    accumulate_grad_batches: Positive = 1
    gradient_clip_val: NonNegativeFloat | None = 1.0
    deterministic: bool = False
    log_every_n_steps: Positive = 50

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
