"""The optimizers that `training.optimizer` may be."""

from typing import Annotated, Literal

from pydantic import Field

from nmt.recipe.section import NonNegativeFloat, Section


class AdamOptimizer(Section):
    """Adam (Kingma and Ba 2015)."""

    type: Literal["adam"] = "adam"


class AdamWOptimizer(Section):
    """Adam with a weight decay apart from the gradient (Loshchilov and Hutter 2019)."""

    type: Literal["adamw"]


class SGDOptimizer(Section):
    """Stochastic gradient descent."""

    type: Literal["sgd"]


class AdadeltaOptimizer(Section):
    """Adadelta, rho 0.95 and epsilon 1e-6 as in Bahdanau et al. 2015, appendix B.2, with `learning_rate: 1.0`."""

    type: Literal["adadelta"]


class AdagradOptimizer(Section):
    """Adagrad (Duchi et al. 2011)."""

    type: Literal["adagrad"]
    accumulator: NonNegativeFloat = 0.0
    """Initial sum of squared gradients (See et al. 2017: 0.1)."""


Optimizer = Annotated[
    AdamOptimizer | AdamWOptimizer | SGDOptimizer | AdadeltaOptimizer | AdagradOptimizer, Field(discriminator="type")
]
