"""What `training.objective` may be."""

from typing import Annotated, Literal

from pydantic import Field

from nmt.recipe.section import Fraction, NonNegativeFloat, Positive, PositiveFloat, Section


class LikelihoodObjective(Section):
    """The likelihood of reference words after those before them."""

    type: Literal["likelihood"] = "likelihood"


class LinearDecay(Section):
    """`offset` - `slope` * step, but at least `minimum`."""

    type: Literal["linear"]
    slope: PositiveFloat
    """What the probability loses with each update."""
    offset: NonNegativeFloat = 1.0
    """The probability at the beginning."""
    minimum: Fraction = 0.0
    """What the probability does not fall below."""


class ExponentialDecay(Section):
    """`base` to the power of the step."""

    type: Literal["exponential"]
    base: Annotated[float, Field(gt=0.0, lt=1.0)]
    """What the probability is multiplied by with each update; the nearer to 1, the slower it falls."""


class InverseSigmoidDecay(Section):
    """`speed` / (`speed` + exp(step / `speed`)): a half after about `speed` * ln(`speed`) steps."""

    type: Literal["inverse_sigmoid"]
    speed: Annotated[float, Field(ge=1.0, allow_inf_nan=False)]
    """k of the paper; the larger, the later the probability falls."""


Decay = Annotated[LinearDecay | ExponentialDecay | InverseSigmoidDecay, Field(discriminator="type")]


class ScheduledSamplingObjective(Section):
    """The likelihood of reference words after words of which ever more are the model's own (Bengio et al. 2015)."""

    type: Literal["scheduled_sampling"]
    decay: Decay
    """How the probability falls with which a word that is read is the reference's (section 2.4)."""


class MinimumRiskObjective(Section):
    """The expected loss in BLEU of some of the model's own translations of a sentence (Shen et al. 2016).

    For a model that can translate already: `training.start_from`.
    """

    type: Literal["minimum_risk"]
    samples: Positive = 100
    """Translations drawn for each sentence; those that come twice count once. The reference is added to them."""
    sharpness: PositiveFloat = 0.005
    """The power (alpha) to which their probabilities are raised before they are made to sum to one."""


Objective = Annotated[
    LikelihoodObjective | ScheduledSamplingObjective | MinimumRiskObjective, Field(discriminator="type")
]
