"""The initial values that `model.init` may be."""

from typing import Annotated, Literal

from pydantic import Field

from nmt.recipe.section import PositiveFloat, Section


class UniformInit(Section):
    """Every parameter from [-range, range] (Luong et al. 2015, section 4.1)."""

    type: Literal["uniform"] = "uniform"
    range: PositiveFloat = 0.1
    """How far from 0 they may be."""


class XavierInit(Section):
    """Glorot's for matrices, orthogonal recurrent ones, biases 0 and the forget gate's 1."""

    type: Literal["xavier"]


class BahdanauInit(Section):
    """Those of Bahdanau et al. 2015, appendix B.1.

    Recurrent matrices are orthogonal, biases and v of the attention 0, the attention's matrices from N(0, 0.001^2), all
    others from N(0, 0.01^2).
    """

    type: Literal["bahdanau"]


Init = Annotated[UniformInit | XavierInit | BahdanauInit, Field(discriminator="type")]
