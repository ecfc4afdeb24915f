"""The matrix product of every layer: oneDNN's on a CPU in float32, which is never slower than torch's own there.

Torch multiplies float32 on a CPU with MKL, which leaves AMD's processors at half their speed or less. oneDNN comes with
torch, too, and reaches the same on all of them.
"""

import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.weak import WeakTensorKeyDictionary

_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(  # type: ignore[no-untyped-call]
    torch.ops.mkldnn, "_linear_pointwise"
)
# oneDNN keeps what it has prepared for 1024 shapes, megabytes for each, which fills the memory; few are met again.
for _cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(_cache, "32")

_packages: MutableMapping[Tensor, tuple[tuple[int, int], Tensor]] = WeakTensorKeyDictionary()  # see `_packed`
_readable = ContextVar("_readable", default=False)


@contextmanager
def readable_steps() -> Iterator[None]:
    """Within, the network takes its readable steps everywhere: what the fast way is compared with."""
    token = _readable.set(True)
    try:
        yield
    finally:
        _readable.reset(token)


def goes_fast(tensor: Tensor) -> bool:
    """Whether to go the fast way: on a CPU, in one precision throughout."""
    return tensor.device.type == "cpu" and not torch.is_autocast_enabled("cpu") and not _readable.get()


def linear(
    inputs: Float[Tensor, "*any in"], weight: Float[Tensor, "out in"], bias: Float[Tensor, " out"] | None = None
) -> Float[Tensor, "*any out"]:
    """The same as `torch.nn.functional.linear`, up to rounding."""
    if not _suits_onednn(inputs, weight):
        return nn.functional.linear(inputs, weight, bias)
    if torch.is_grad_enabled() and (inputs.requires_grad or weight.requires_grad):
        _packages.pop(weight, None)
        result: Tensor = _Linear.apply(inputs, weight, bias)  # type: ignore[no-untyped-call]
        return result
    rows = inputs.flatten(0, -2).contiguous()
    return _multiply(rows, _packed(weight, len(rows)), bias).reshape(*inputs.shape[:-1], -1)


def product(
    inputs: Float[Tensor, "rows in"], weight: Float[Tensor, "out in"], bias: Float[Tensor, " out"] | None = None
) -> Float[Tensor, "rows out"]:
    """Inputs weight' + bias, unknown to autograd. Transposed matrices need not be copied."""
    if not _suits_onednn(inputs, weight):
        return nn.functional.linear(inputs, weight, bias)
    return _multiply(_dense(inputs), _dense(weight), bias)


def _multiply(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
    return result


def _packed(weight: Tensor, rows: int) -> Tensor:
    """A parameter in the order in which oneDNN reads it, kept until it changes: for few rows that is most of the work.

    Args:
        weight: what to order; anything but a parameter that is not trained comes back as it is. Fused optimizers change
            parameters unnoticed.
        rows: about how many will be multiplied.
    """
    if not isinstance(weight, nn.Parameter) or weight.requires_grad or weight.is_inference():
        return _dense(weight)
    state = weight._version, weight.data_ptr()
    package = _packages.get(weight)
    if package is None or package[0] != state:
        package = state, torch.ops.mkldnn._reorder_linear_weight(weight.detach(), rows)
        _packages[weight] = package
    return package[1]


def _dense(matrix: Tensor) -> Tensor:
    """The matrix or a copy: one with gaps between its rows would be multiplied element by element."""
    return matrix if matrix.is_contiguous() or matrix.t().is_contiguous() else matrix.contiguous()


def _suits_onednn(inputs: Tensor, weight: Tensor) -> bool:
    return _ONEDNN and inputs.dtype == weight.dtype == torch.float32 and inputs.numel() > 0 and goes_fast(inputs)


class _Linear(torch.autograd.Function):
    """y = x W' + b; dx = dy W, dW = dy' x, db = the sum of dy."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        rows = inputs.flatten(0, -2)
        ctx.save_for_backward(rows, weight)
        ctx.shape = inputs.shape
        return product(rows, weight, bias).reshape(*inputs.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        rows, weight = ctx.saved_tensors
        grad = grad.flatten(0, -2)
        needs_inputs, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            product(grad, weight.t()).reshape(ctx.shape) if needs_inputs else None,
            product(grad.t(), rows.t()) if needs_weight else None,
            grad.sum(0) if needs_bias else None,
        )
