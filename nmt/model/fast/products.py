"""The matrix product of every layer: oneDNN's on a CPU in float32.

Torch multiplies float32 on a CPU with MKL, which leaves AMD's processors at half their speed or less. oneDNN comes with
torch, too; docs/performance.md has the rates.
"""

import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.weak import WeakTensorKeyDictionary

# oneDNN keeps what it has prepared for 1024 shapes, megabytes for each, which fills the memory; few are met again. It
# reads this at its first product, so it has no effect where something else has multiplied before.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
os.environ.setdefault("LRU_CACHE_CAPACITY", "32")

_ROWS = 256  # about how many are multiplied by a weight that is put in order; one number, so that results never differ
_FEWEST_NUMBERS = 2**17  # in the larger matrix: with fewer oneDNN takes longer to begin than torch to multiply
_readable = ContextVar("_readable", default=False)


def _has_onednn() -> bool:
    """Whether torch brings oneDNN's product, by trying: the two operators are not in its documented interface."""
    one = torch.ones(1, 1)
    try:
        return bool(_multiply(one, torch.ops.mkldnn._reorder_linear_weight(one, _ROWS), None) == one)
    except (AttributeError, RuntimeError):
        return False


@contextmanager
def readable_steps() -> Iterator[None]:
    """Within, the network takes its readable steps everywhere: what the fast way is compared with."""
    token = _readable.set(True)
    try:
        yield
    finally:
        _readable.reset(token)


def goes_fast(tensor: Tensor) -> bool:
    """Whether to go the fast way: on a CPU, in float32 or float64 throughout."""
    return (
        tensor.device.type == "cpu"
        and tensor.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and not _readable.get()
    )


def linear(
    inputs: Float[Tensor, "*any in"], weight: Float[Tensor, "out in"], bias: Float[Tensor, " out"] | None = None
) -> Float[Tensor, "*any out"]:
    """The same as `torch.nn.functional.linear`, up to rounding."""
    if not _suits_onednn(inputs, weight):
        return nn.functional.linear(inputs, weight, bias)
    if needs_gradient(inputs, weight, bias):
        result: Tensor = _Linear.apply(inputs, weight, bias)  # type: ignore[no-untyped-call]
        return result
    rows = inputs.reshape(-1, inputs.shape[-1])
    return _multiply(rows, _in_order(weight), bias).reshape(*inputs.shape[:-1], len(weight))


def product(
    inputs: Float[Tensor, "rows in"], weight: Float[Tensor, "out in"], bias: Float[Tensor, " out"] | None = None
) -> Float[Tensor, "rows out"]:
    """Inputs weight' + bias, unknown to autograd. A weight that is a transposed matrix is not copied."""
    if not _suits_onednn(inputs, weight):
        return nn.functional.linear(inputs, weight, bias)
    return _multiply(_dense(inputs), weight if weight.is_mkldnn else _dense(weight), bias)


def needs_gradient(*tensors: Tensor | None) -> bool:
    """Whether autograd will ask for a gradient."""
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def in_order(weight: Float[Tensor, "out in"]) -> Tensor:
    """The weight in the order in which oneDNN reads it, for several products; it fits no other operator.

    Every product with a weight as it is copies it there first, for a new number of rows into new memory.
    """
    if not _suits_onednn(weight, weight):
        return weight
    ordered: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _ROWS)
    return ordered


def _multiply(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
    return result


@dataclass(frozen=True)
class _Ordered:
    """A weight in the order in which oneDNN reads it, and by what it is known that the weight is still the same."""

    matrix: Tensor
    mark: tuple[object, ...]


_ordered: MutableMapping[Tensor, _Ordered] = WeakTensorKeyDictionary()
# Fused optimizers change parameters unnoticed.
register_optimizer_step_post_hook(lambda *_: _ordered.clear())


def _in_order(weight: Tensor) -> Tensor:
    """A parameter that is not trained, put in order once and kept until it changes; any other weight as it is.

    With few rows, most of the work is otherwise to put the weight in order. What is written through `.data` or numpy
    goes unnoticed, as it does in autograd: such a parameter is to be changed itself, within `torch.no_grad()`.
    """
    if not isinstance(weight, nn.Parameter) or weight.requires_grad or weight.is_inference():
        return _dense(weight)
    known = _ordered.get(weight)
    # The storage itself is a part, for another one could come to lie in the same place.
    mark = weight.untyped_storage(), weight._version, weight.data_ptr(), weight.shape, weight.stride(), weight.dtype
    if known is None or known.mark[1:] != mark[1:] or known.mark[0] is not mark[0]:
        known = _Ordered(in_order(weight), mark)
        _ordered[weight] = known
    return known.matrix


def _dense(matrix: Tensor) -> Tensor:
    """The matrix or a copy: one with gaps between its rows would be multiplied element by element."""
    return matrix if matrix.is_contiguous() or matrix.t().is_contiguous() else matrix.contiguous()


def _suits_onednn(inputs: Tensor, weight: Tensor) -> bool:
    is_large = inputs.numel() > 0 and max(inputs.numel(), weight.numel()) >= _FEWEST_NUMBERS
    return _ONEDNN and is_large and inputs.dtype == weight.dtype == torch.float32 and goes_fast(inputs)


class _Linear(torch.autograd.Function):
    """y = x W' + b; dx = dy W, dW = dy' x, db = the sum of dy."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        rows = inputs.reshape(-1, inputs.shape[-1])
        ctx.save_for_backward(rows, weight)
        ctx.shape = inputs.shape
        return product(rows, weight, bias).reshape(*inputs.shape[:-1], len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        rows, weight = ctx.saved_tensors
        grad = grad.reshape(len(rows), -1)
        needs_inputs, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            product(grad, weight.t()).reshape(ctx.shape) if needs_inputs else None,
            product(grad.t(), rows.t()) if needs_weight else None,
            grad.sum(0) if needs_bias else None,
        )


_ONEDNN = _has_onednn()
