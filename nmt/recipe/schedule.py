"""The learning rates that `training.schedule` may be."""

from typing import Annotated, Literal

from pydantic import Field

from nmt.recipe.section import NonNegative, Positive, Section


class ConstantSchedule(Section):
    """Warm up linearly, then keep the learning rate."""

    type: Literal["constant"] = "constant"
    warmup_steps: NonNegative = 0
    """Updates in which the rate rises to `learning_rate`."""


class InverseSqrtSchedule(Section):
    """Warm up linearly, then decay with the inverse square root of the step (Vaswani et al. 2017)."""

    type: Literal["inverse_sqrt"]
    warmup_steps: Positive = 1000
    """Updates in which the rate rises to `learning_rate`, which is the largest."""


class LinearSchedule(Section):
    """Warm up linearly, then decay linearly to zero at the last step of the training."""

    type: Literal["linear"]
    warmup_steps: NonNegative = 0
    """Updates in which the rate rises to `learning_rate`."""


class PlateauSchedule(Section):
    """Multiply the learning rate by `factor` when validation has not improved for more than `patience` rounds."""

    type: Literal["plateau"]
    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """What the rate is multiplied by each time."""
    patience: NonNegative = 1
    """Validations without an improvement that are waited for."""


class HalvingSchedule(Section):
    """Keep the learning rate, then multiply it by `factor` again and again (Luong et al. 2015, section 4.1)."""

    type: Literal["halving"]
    start: NonNegative
    """After so many epochs or steps the rate falls for the first time. Luong et al. 2015: 5 epochs, with dropout 8."""
    every: Positive = 1
    """From then on it falls again whenever so many more are done."""
    unit: Literal["epochs", "steps"] = "epochs"
    """What `start` and `every` count."""
    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """What the rate is multiplied by each time."""


Schedule = Annotated[
    ConstantSchedule | InverseSqrtSchedule | LinearSchedule | PlateauSchedule | HalvingSchedule,
    Field(discriminator="type"),
]
