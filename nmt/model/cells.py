"""Recurrent cells, one class for each paper, and the stack of them that a decoder steps through.

A cell goes from the states before a step to those after it. Every cell has a hidden state; an LSTM remembers a second
one, its cell state, which in the others has no columns.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmt.model.dropout import Dropout
from nmt.model.fast.dropout import kept
from nmt.model.fast.layers import Linear, LSTMCell
from nmt.model.fast.products import linear
from nmt.model.fast.tanh import tanh

States = tuple[Float[Tensor, "rows hid"], Float[Tensor, "rows mem"]]
"""Hidden and cell state of some rows."""


@runtime_checkable
class Cell(Protocol):
    """One layer, one time step; `nmt.model.fast.layers.LSTMCell` is another one."""

    def __call__(self, inputs: Float[Tensor, "rows in"], state: States) -> States:
        """The hidden and cell states after a step from those before it."""
        ...


class GRUCell(nn.GRUCell):
    """`torch.nn.GRUCell`: n = tanh(W x + r * (U h)), so the reset gate acts on the product (cuDNN's placement).

    Its update gate says how much of the old state stays: h' = (1 - z) * n + z * h.
    """

    def forward(  # type: ignore[override]  # the state is always given, and is a pair for every cell
        self, inputs: Float[Tensor, "rows in"], state: States
    ) -> States:
        """See `Cell`."""
        hidden, nothing = state
        return super().forward(inputs, hidden), nothing


class BahdanauGRUCell(nn.Module):
    """The gated hidden unit as Cho et al. 2014 and Bahdanau et al. 2015, appendix A.1.1, write it.

    n = tanh(W x + U [r * h]): the reset gate acts on the state before the product, where torch's acts on the product.
    The update gate says how much is new: h' = (1 - z) * h + z * n. What else enters the gates (C c_i of appendix
    A.2.2) is part of x.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.inputs = Linear(input_size, 3 * hidden_size)
        self.recurrent_gates = Linear(hidden_size, 2 * hidden_size, bias=False)
        self.recurrent = Linear(hidden_size, hidden_size, bias=False)

    def forward(self, inputs: Float[Tensor, "rows in"], state: States) -> States:
        """See `Cell`."""
        hidden, nothing = state
        from_inputs = self.inputs(inputs)
        gates = (from_inputs[:, : 2 * self.hidden_size] + self.recurrent_gates(hidden)).sigmoid()
        update, reset = gates.chunk(2, dim=1)
        new = tanh(from_inputs[:, 2 * self.hidden_size :] + self.recurrent(reset * hidden))
        return hidden + update * (new - hidden), nothing


class RNNCell(nn.RNNCell):
    """`torch.nn.RNNCell`: h' = tanh(W x + U h), the plain recurrent network of Elman 1990."""

    def forward(  # type: ignore[override]  # as in `GRUCell`
        self, inputs: Float[Tensor, "rows in"], state: States
    ) -> States:
        """See `Cell`."""
        hidden, nothing = state
        return super().forward(inputs, hidden), nothing


class LayerNormLSTMCell(nn.Module):
    """An LSTM with normalised sums: Ba et al. 2016 (Layer Normalization), equations 20 to 22."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.inputs = Linear(input_size, 4 * hidden_size, bias=False)
        self.recurrent = Linear(hidden_size, 4 * hidden_size, bias=False)
        self.bias = nn.Parameter(torch.zeros(4 * hidden_size))
        self.inputs_norm = nn.LayerNorm(4 * hidden_size)
        self.recurrent_norm = nn.LayerNorm(4 * hidden_size)
        self.cell_norm = nn.LayerNorm(hidden_size)

    def forward(self, inputs: Float[Tensor, "rows in"], state: States) -> States:
        """See `Cell`."""
        hidden, cell = state
        gates = self.recurrent_norm(self.recurrent(hidden)) + self.inputs_norm(self.inputs(inputs)) + self.bias
        input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=1)
        cell = forget_gate.sigmoid() * cell + input_gate.sigmoid() * tanh(candidate)
        return output_gate.sigmoid() * tanh(self.cell_norm(cell)), cell


class LayerNormGRUCell(nn.Module):
    """A GRU with normalised sums (Ba et al. 2016, section 6, and its appendix): torch's reset and update gates."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.inputs = Linear(input_size, 3 * hidden_size, bias=False)
        self.recurrent = Linear(hidden_size, 3 * hidden_size, bias=False)
        self.inputs_norms = nn.ModuleList([nn.LayerNorm(2 * hidden_size), nn.LayerNorm(hidden_size)])
        self.recurrent_norms = nn.ModuleList([nn.LayerNorm(2 * hidden_size), nn.LayerNorm(hidden_size)])

    def forward(self, inputs: Float[Tensor, "rows in"], state: States) -> States:
        """See `Cell`."""
        hidden, nothing = state
        sizes = [2 * self.hidden_size, self.hidden_size]
        read = [norm(part) for norm, part in zip(self.inputs_norms, self.inputs(inputs).split(sizes, 1), strict=True)]
        past = [
            norm(part) for norm, part in zip(self.recurrent_norms, self.recurrent(hidden).split(sizes, 1), strict=True)
        ]
        update, reset = (read[0] + past[0]).sigmoid().chunk(2, dim=1)
        new = tanh(read[1] + reset * past[1])
        return new + update * (hidden - new), nothing


class MultiplicativeLSTMCell(nn.Module):
    """The multiplicative LSTM of Krause et al. 2016: the state that enters the gates depends on the input.

    m = (W_mx x) * (W_mh h) takes the place of h in the four sums. The candidate is not squashed, and the output gate
    stands within the tanh: c' = f * c + i * g, h' = tanh(o * c'), as in the authors' first program (`matlab` of
    benkrause/mLSTM); their later one squashes as an LSTM does. Of the biases here, that program has those of the gates,
    and one within the tanh.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.inputs = Linear(input_size, 5 * hidden_size)
        self.recurrent = Linear(hidden_size, hidden_size, bias=False)
        self.recurrent_gates = Linear(hidden_size, 4 * hidden_size, bias=False)

    def forward(self, inputs: Float[Tensor, "rows in"], state: States) -> States:
        """See `Cell`."""
        hidden, cell = state
        factor, sums = self.inputs(inputs).split([self.hidden_size, 4 * self.hidden_size], dim=1)
        gates = sums + self.recurrent_gates(factor * self.recurrent(hidden))
        input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=1)
        cell = forget_gate.sigmoid() * cell + input_gate.sigmoid() * candidate
        return tanh(output_gate.sigmoid() * cell), cell


class RecurrentDropoutLSTMCell(LSTMCell):
    """An LSTM whose candidates are dropped: Semeniuta et al. 2016 (Recurrent Dropout without Memory Loss).

    c' = f * c + i * d(g): what is dropped is not written to the memory, and nothing that is in it gets lost. The
    parameters are those of torch's cell, which it is when nothing is dropped.
    """

    def __init__(self, input_size: int, hidden_size: int, probability: float) -> None:
        super().__init__(input_size, hidden_size)
        self.dropout = Dropout(probability)

    def forward(  # type: ignore[override]  # as in `GRUCell`
        self, inputs: Float[Tensor, "rows in"], state: States
    ) -> States:
        """See `Cell`."""
        hidden, cell = state
        gates = linear(inputs, self.weight_ih, self.bias_ih) + linear(hidden, self.weight_hh, self.bias_hh)
        input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=1)
        new = self.dropout(tanh(candidate))
        cell = forget_gate.sigmoid() * cell + input_gate.sigmoid() * new
        return output_gate.sigmoid() * tanh(cell), cell


class StackedCell(nn.Module):
    """One time step of a stack of layers, with dropout of what goes up from one to the next (Zaremba et al. 2014).

    Attributes:
        cells: the layers, from the bottom up.
        dropout: that between them.
        residual: whether what a layer reads is added to what it gives, from the second layer up (Wu et al. 2016,
            section 3.1).
        variational: whether the same values are dropped at all steps of a sentence, of the hidden states that a layer
            takes over from the step before, too (Gal and Ghahramani 2016). `masks` draws them.
    """

    def __init__(
        self, cells: Sequence[Cell], dropout: float, residual: bool = False, variational: bool = False
    ) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)  # type: ignore[arg-type]  # they are modules
        self.dropout = nn.Dropout(dropout)
        self.residual = residual
        self.variational = variational

    def masks(self, hidden: Float[Tensor, "layers rows hid"]) -> Float[Tensor, "layers rows masks"]:
        """What the values that a layer reads from below and from its past are multiplied by, at all steps alike.

        No columns without variational dropout, or when nothing is dropped.
        """
        if not (self.variational and self.training and self.dropout.p):
            return hidden[:, :, :0]
        return kept(hidden.repeat(1, 1, 2), self.dropout.p)

    def forward(
        self,
        inputs: Float[Tensor, "rows in"],
        hidden: Float[Tensor, "layers rows hid"],
        cell: Float[Tensor, "layers rows mem"],
        masks: Float[Tensor, "layers rows masks"],
    ) -> tuple[Float[Tensor, "layers rows hid"], Float[Tensor, "layers rows mem"], Float[Tensor, "rows hid"]]:
        """Returns all layers' hidden and cell states, and what the top layer gives."""
        hiddens: list[Tensor] = []
        cells: list[Tensor] = []
        given = inputs
        for layer, step in enumerate(self.cells):
            below, past = given, hidden[layer]
            if masks.shape[2]:
                of_below, of_past = masks[layer].chunk(2, dim=1)
                below, past = below * of_below if layer else below, past * of_past
            elif layer:
                below = self.dropout(below)
            new, remembered = step(below, (past, cell[layer]))
            hiddens.append(new)
            cells.append(remembered)
            given = new + given if self.residual and layer else new
        return torch.stack(hiddens), torch.stack(cells), given
