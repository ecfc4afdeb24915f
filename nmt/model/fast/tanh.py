"""The hyperbolic tangent by the logistic function, which torch computes much faster on a CPU."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from nmt.model.fast.products import goes_fast, needs_gradient


def tanh(inputs: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """2 / (1 + exp(-2 x)) - 1, up to rounding; `torch.tanh` itself where a gradient is needed."""
    if needs_gradient(inputs) or not goes_fast(inputs):
        return torch.tanh(inputs)
    return tanh_into(torch.empty_like(inputs), inputs)


def tanh_in_place(inputs: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """The same in the memory of the inputs, which nobody may need any more; known to autograd."""
    if not goes_fast(inputs):
        return inputs.tanh_()
    if not needs_gradient(inputs):
        return tanh_into(inputs, inputs)
    outputs: Tensor = _TanhInPlace.apply(inputs)  # type: ignore[no-untyped-call]
    return outputs


class _TanhInPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        ctx.mark_dirty(inputs)
        ctx.save_for_backward(tanh_into(inputs, inputs))
        return inputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Tensor) -> Tensor:
        (outputs,) = ctx.saved_tensors
        d_inputs: Tensor = torch.ops.aten.tanh_backward(d_outputs, outputs)
        return d_inputs


def tanh_into(out: Float[Tensor, "*any"], inputs: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """The same written to `out`, which may be the inputs, and unknown to autograd."""
    return torch.mul(inputs, 2, out=out).sigmoid_().mul_(2).sub_(1)
