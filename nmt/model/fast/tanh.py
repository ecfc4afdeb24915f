"""The hyperbolic tangent by the logistic function, which torch computes much faster on a CPU."""

import torch
from jaxtyping import Float
from torch import Tensor

from nmt.model.fast.products import goes_fast, needs_gradient


def tanh(inputs: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """2 / (1 + exp(-2 x)) - 1, up to rounding; `torch.tanh` itself where a gradient is needed."""
    if needs_gradient(inputs) or not goes_fast(inputs):
        return torch.tanh(inputs)
    return tanh_into(torch.empty_like(inputs), inputs)


def tanh_in_place(inputs: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """The same in the memory of the inputs, which nobody may need any more; known to autograd."""
    if needs_gradient(inputs) or not goes_fast(inputs):
        return inputs.tanh_()
    return tanh_into(inputs, inputs)


def tanh_into(out: Float[Tensor, "*any"], inputs: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """The same written to `out`, which may be the inputs, and unknown to autograd."""
    return torch.mul(inputs, 2, out=out).sigmoid_().mul_(2).sub_(1)
