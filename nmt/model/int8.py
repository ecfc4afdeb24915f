"""Layers with weights of 8 bits, for a search on a CPU: products several times as fast.

A weight is a whole number from -127 to 127 times the scale of its row. The inputs of a product become such numbers,
too, by one scale that is fixed beforehand; so a row's result does not depend on the other rows.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor, nn

from nmt.model.fast.layers import Linear, LSTMCell, lstm_gates

_MOST = 127  # largest number of 8 bits that has a negative of its own
_capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not tell
_HAS_VNNI = bool(_capabilities.get("avx512_vnni"))  # instructions of the processor for products in 8 bits
# Without them pairs of products are added in 16 bits, which inputs of more than 7 bits would overflow.
_MOST_OF_INPUT = _MOST if _HAS_VNNI else _MOST // 2
_HAS_FBGEMM = (
    "fbgemm" in torch.backends.quantized.supported_engines  # on x86
    and hasattr(torch, "_make_per_channel_quantized_tensor")  # torch will give up tensors of this type
    and hasattr(torch.ops.quantized, "linear_with_input_q_dq_qweight_dq_output_fp32")
)
_preparing = Lock()

Product = Callable[[Float[Tensor, "rows in"]], Float[Tensor, "rows out"]]


class Int8Linear(nn.Module):
    """A linear layer without gradients."""

    weight: Tensor
    scale: Tensor
    bias: Tensor
    limit: Tensor

    def __init__(
        self,
        weight: Int8[Tensor, "out in"],
        scale: Float[Tensor, " out"],
        bias: Float[Tensor, " out"],
        limit: Float[Tensor, ""],
    ) -> None:
        """Takes the numbers as they are.

        Args:
            weight: whole numbers.
            scale: what those of each row are multiplied by.
            bias: added in float32.
            limit: largest magnitude of an input; whatever is larger counts as much.
        """
        super().__init__()
        for name, tensor in (("weight", weight), ("scale", scale), ("bias", bias), ("limit", limit)):
            self.register_buffer(name, tensor)
        self._product: Product | None = None  # made when first needed

    @classmethod
    def of(cls, weight: Float[Tensor, "out in"], bias: Float[Tensor, " out"] | None, limit: float) -> "Int8Linear":
        """The layer nearest to one in float."""
        weight = weight.detach().float()
        scale = weight.abs().amax(dim=1).clamp(min=1e-12) / _MOST
        whole = (weight / scale[:, None]).round().to(torch.int8)
        bias = torch.zeros(len(weight)) if bias is None else bias.detach().float().clone()
        return cls(whole, scale, bias, torch.tensor(max(limit, 1e-12)))

    def __getstate__(self) -> dict[str, Any]:
        """A copy prepares its own numbers."""
        return {**self.__dict__, "_product": None}

    def _load_from_state_dict(self, *arguments: Any, **more: Any) -> None:
        """Other numbers are to be prepared anew."""
        self._product = None
        super()._load_from_state_dict(*arguments, **more)

    def select(self, rows: Int[Tensor, " chosen"]) -> "Int8Linear":
        """A layer with some of the outputs, to be used a few times only."""
        chosen = Int8Linear(self.weight[rows], self.scale[rows], self.bias[rows], self.limit)
        chosen._product = _unprepared(chosen)
        return chosen

    def forward(self, inputs: Float[Tensor, "*any in"]) -> Float[Tensor, "*any out"]:
        """Inputs weight' + bias in float32."""
        if self._product is None:
            with _preparing:
                self._product = self._product or _prepare(self)
        outputs: Tensor = self._product(inputs.reshape(-1, inputs.shape[-1]).float())
        return outputs.reshape(*inputs.shape[:-1], len(self.scale))


def _unprepared(layer: Int8Linear) -> Product:
    """The product of weights as they are: slower, but to prepare them takes as long as many products."""
    scale = layer.limit.item() / _MOST_OF_INPUT
    scales = scale * layer.scale
    weight = layer.weight.t() if _HAS_VNNI else layer.weight.t().float()

    def product(rows: Tensor) -> Tensor:
        whole = (rows * (1.0 / scale)).round_().clamp_(-_MOST_OF_INPUT - 1, _MOST_OF_INPUT)
        sums = torch._int_mm(whole.to(torch.int8), weight) if _HAS_VNNI else whole @ weight
        return torch.addcmul(layer.bias, sums, scales)

    return product


def _prepare(layer: Int8Linear) -> Product:
    """The product of weights that are brought into order for it: by FBGEMM, where torch has it."""
    if not _HAS_FBGEMM:
        return _unprepared(layer)
    scale = layer.limit.item() / _MOST_OF_INPUT
    with warnings.catch_warnings():  # that torch will give them up; it has no successor as fast
        warnings.simplefilter("ignore", UserWarning)
        zeros = torch.zeros(len(layer.scale), dtype=torch.long)
        weight = torch._make_per_channel_quantized_tensor(layer.weight, layer.scale.double(), zeros, 0)
    packed = torch.ops.quantized.linear_prepack(weight, layer.bias)
    product = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
    if _MOST_OF_INPUT == _MOST:
        return lambda rows: product(rows, scale, _MOST + 1, packed)  # which limits inputs to 8 bits itself
    least, most = (scale * bound for bound in (-_MOST_OF_INPUT - 1, _MOST_OF_INPUT))
    return lambda rows: product(rows.clamp(least, most), scale, _MOST_OF_INPUT + 1, packed)


class Int8LSTMCell(nn.Module):
    """A step of an LSTM layer: one product for input and state together."""

    def __init__(self, gates: Int8Linear) -> None:
        super().__init__()
        self.gates = gates

    @classmethod
    def of(cls, cell: nn.LSTMCell, limit: float) -> "Int8LSTMCell":
        """The cell nearest to one in float."""
        weight = torch.cat([cell.weight_ih, cell.weight_hh], dim=1)
        return cls(Int8Linear.of(weight, cell.bias_ih + cell.bias_hh, limit))

    def forward(
        self, inputs: Float[Tensor, "rows in"], state: tuple[Float[Tensor, "rows hid"], Float[Tensor, "rows hid"]]
    ) -> tuple[Float[Tensor, "rows hid"], Float[Tensor, "rows hid"]]:
        """The hidden and cell states after a step from those before it."""
        hidden, cell = state
        return lstm_gates(self.gates(torch.cat([inputs, hidden], dim=1)), cell)


@contextmanager
def observed_limits(model: nn.Module) -> Iterator[dict[str, float]]:
    """Within, the largest magnitude that enters each of the layers which `quantise` changes is noted under its name."""
    limits: dict[str, float] = {}
    noting = Lock()

    def note(name: str, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        for read in inputs:
            values = read[0] if isinstance(read, tuple) else read  # of an LSTM's states the hidden one
            largest = values.abs().max().item()
            with noting:  # batches are searched at once
                limits[name] = max(limits.get(name, 0.0), largest)

    handles = [layer.register_forward_pre_hook(partial(note, name)) for name, layer in _layers(model)]
    try:
        yield limits
    finally:
        for handle in handles:
            handle.remove()


def quantise(model: nn.Module, limits: Mapping[str, float]) -> None:
    """Puts layers of 8 bits in the place of all linear layers and LSTM cells that have a limit; the others remain."""
    for name, layer in list(_layers(model)):
        if name in limits:
            if isinstance(layer, LSTMCell):
                model.set_submodule(name, Int8LSTMCell.of(layer, limits[name]))
            else:
                model.set_submodule(name, Int8Linear.of(layer.weight, layer.bias, limits[name]))


def is_quantised(model: nn.Module) -> bool:
    """Whether there is a layer of 8 bits, which has no gradients and lies on the CPU."""
    return any(isinstance(layer, Int8Linear) for layer in model.modules())


def _layers(model: nn.Module) -> Iterator[tuple[str, Linear | LSTMCell]]:
    for name, layer in model.named_modules():
        if isinstance(layer, Linear | LSTMCell):
            yield name, layer
