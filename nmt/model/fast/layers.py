"""Torch's layers, with oneDNN's products: the same parameters and the same numbers, up to rounding."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from nmt.model.fast.encoder import Read, padded_lstm
from nmt.model.fast.products import goes_fast, linear
from nmt.model.fast.tanh import tanh


class Linear(nn.Linear):
    """`torch.nn.Linear` by `nmt.model.fast.products.linear`."""

    def forward(self, inputs: Float[Tensor, "*any in"]) -> Float[Tensor, "*any out"]:
        """Inputs weight' + bias."""
        return linear(inputs, self.weight, self.bias)


class LSTMCell(nn.LSTMCell):
    """`torch.nn.LSTMCell` by the same products."""

    def forward(  # type: ignore[override]  # here the state is always given
        self, inputs: Float[Tensor, "rows in"], state: tuple[Float[Tensor, "rows hid"], Float[Tensor, "rows hid"]]
    ) -> tuple[Float[Tensor, "rows hid"], Float[Tensor, "rows hid"]]:
        """The hidden and cell states after a step from those before it."""
        if not goes_fast(inputs):
            return super().forward(inputs, state)
        hidden, cell = state
        gates = linear(inputs, self.weight_ih, self.bias_ih) + linear(hidden, self.weight_hh, self.bias_hh)
        return lstm_gates(gates, cell)


class LSTM(nn.LSTM):
    """`torch.nn.LSTM` over right-padded sentences, batch first."""

    def forward(  # type: ignore[override]  # here the lengths are always given
        self, inputs: Float[Tensor, "batch src in"], lengths: Int[Tensor, " batch"]
    ) -> Read:
        """Reads the sentences; every length must be at least 1."""
        # oneDNN's LSTM brings the weights in order each time, which for a single sentence takes longer than the rest.
        read = padded_lstm if goes_fast(inputs) and len(inputs) > 1 else _packed_lstm
        return read(self, inputs, lengths)


def _packed_lstm(lstm: nn.LSTM, inputs: Float[Tensor, "batch src in"], lengths: Int[Tensor, " batch"]) -> Read:
    def read(packed: PackedSequence) -> tuple[PackedSequence, Any]:
        return nn.LSTM.forward(lstm, packed)

    states, (hidden, cell) = _packed(read, inputs, lengths)
    return states, hidden, cell


def _packed(
    read: Callable[[PackedSequence], tuple[PackedSequence, Any]],
    inputs: Float[Tensor, "batch src in"],
    lengths: Int[Tensor, " batch"],
) -> tuple[Float[Tensor, "batch src enc"], Any]:
    """What one of torch's networks reads from packed sentences: its states, zeros in the padding, and the last ones."""
    packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
    states, last = read(packed)
    padded, _ = pad_packed_sequence(states, batch_first=True, total_length=inputs.shape[1])
    return padded, last


class GRU(nn.GRU):
    """`torch.nn.GRU` over right-padded sentences, batch first; there is no cell state."""

    def forward(  # type: ignore[override]  # as in `LSTM`
        self, inputs: Float[Tensor, "batch src in"], lengths: Int[Tensor, " batch"]
    ) -> Read:
        """Reads the sentences; every length must be at least 1."""
        states, hidden = _packed(super().forward, inputs, lengths)
        return states, hidden, hidden[:, :, :0]


class RNN(nn.RNN):
    """`torch.nn.RNN` with tanh over right-padded sentences, batch first; there is no cell state."""

    def forward(  # type: ignore[override]  # as in `LSTM`
        self, inputs: Float[Tensor, "batch src in"], lengths: Int[Tensor, " batch"]
    ) -> Read:
        """Reads the sentences; every length must be at least 1."""
        states, hidden = _packed(super().forward, inputs, lengths)
        return states, hidden, hidden[:, :, :0]


def lstm_gates(
    gates: Float[Tensor, "rows gates"], cell: Float[Tensor, "rows hid"]
) -> tuple[Float[Tensor, "rows hid"], Float[Tensor, "rows hid"]]:
    """The states after a step of an LSTM: Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000.

    Args:
        gates: before they are squashed; input gate, forget gate, candidate and output gate, each as wide as the state.
        cell: the cell state before the step.

    Returns:
        The hidden and the cell state after it.
    """
    input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=1)
    cell = forget_gate.sigmoid() * cell + input_gate.sigmoid() * tanh(candidate)
    return output_gate.sigmoid() * tanh(cell), cell
