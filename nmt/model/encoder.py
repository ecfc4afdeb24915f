"""The encoder: recurrent layers over right-padded text, in both directions by default.

A reader is one layer or several; the encoder stacks readers and may refine what they made of the source. Positions are
always those of the source as it is written, whatever the direction of reading.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.model.cells import Cell
from nmt.model.dropout import Dropout
from nmt.model.fast.dropout import kept
from nmt.model.fast.layers import GRU, LSTM, RNN, Linear
from nmt.model.fast.tanh import tanh
from nmt.model.mask import length_mask


@dataclass(frozen=True)
class EncoderOutput:
    """What the encoder knows of a batch of sentences; `enc` is the width of all directions together.

    Attributes:
        memory: the top layer's state at each position; zeros in the padding.
        hidden: each layer's last hidden state (after the last token forwards, after the first one backwards).
        cell: each layer's last cell state; no columns if the recurrent cells have none.
    """

    memory: Float[Tensor, "batch src enc"]
    hidden: Float[Tensor, "layers batch enc"]
    cell: Float[Tensor, "layers batch mem"]


@runtime_checkable
class Reader(Protocol):
    """One recurrent layer, or several."""

    def __call__(self, inputs: Float[Tensor, "batch src in"], lengths: Int[Tensor, " batch"]) -> EncoderOutput:
        """Reads the sentences; every length must be at least 1."""
        ...


class TorchReader(nn.Module):
    """Torch's own stacked network, in one direction or both: the fast one."""

    def __init__(self, network: LSTM | GRU | RNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Float[Tensor, "batch src in"], lengths: Int[Tensor, " batch"]) -> EncoderOutput:
        """See `Reader`."""
        memory, hidden, cell = self.network(inputs, lengths)
        return EncoderOutput(memory, self._join(hidden), self._join(cell))

    def _join(self, state: Float[Tensor, "layers_directions batch unit"]) -> Float[Tensor, "layers batch enc"]:
        directions = 2 if self.network.bidirectional else 1
        layers = state.reshape(self.network.num_layers, directions, *state.shape[1:])
        return torch.cat(list(layers.unbind(1)), dim=-1)


class CellReader(nn.Module):
    """Any cell, step by step from the first word to the last."""

    def __init__(self, cell: Cell, hidden_size: int, memory_size: int, dropout: float = 0.0) -> None:
        """Takes the cell.

        Args:
            cell: the cell.
            hidden_size: width of its hidden state.
            memory_size: width of its cell state, 0 if it has none.
            dropout: of the hidden state that a step takes over, the same values at all steps (Gal and Ghahramani 2016).
        """
        super().__init__()
        self.cell = cell
        self.hidden_size = hidden_size
        self.memory_size = memory_size
        self.dropout = dropout

    def forward(self, inputs: Float[Tensor, "batch src in"], lengths: Int[Tensor, " batch"]) -> EncoderOutput:
        """See `Reader`."""
        hidden = inputs.new_zeros(len(inputs), self.hidden_size)
        cell = inputs.new_zeros(len(inputs), self.memory_size)
        drops = self.training and self.dropout > 0
        mask = kept(hidden, self.dropout) if drops else None
        real = length_mask(lengths, inputs.shape[1])
        states = []
        for word, reads in zip(inputs.unbind(1), real[:, :, None].unbind(1), strict=True):
            new, remembered = self.cell(word, (hidden if mask is None else hidden * mask, cell))
            hidden, cell = torch.where(reads, new, hidden), torch.where(reads, remembered, cell)
            states.append(new * reads)
        return EncoderOutput(torch.stack(states, dim=1), hidden[None], cell[None])


class Backwards(nn.Module):
    """A reader from the last word to the first; all stays in its place.

    The second direction of Bahdanau et al. 2015 begins with the end mark. A reversed source ends with it all the same:
    its words alone are turned around (Sutskever et al. 2014, section 3.3 and figure 1; Luong's nmt.hybrid). Read
    first, its state would say nothing of the sentence, and a decoder that looks there does without attention.
    """

    def __init__(self, reader: Reader, end_last: bool = False) -> None:
        """With `end_last` the last token of each sentence, its end mark, is read last."""
        super().__init__()
        self.reader = reader
        self.end_last = end_last

    def forward(self, inputs: Float[Tensor, "batch src in"], lengths: Int[Tensor, " batch"]) -> EncoderOutput:
        """See `Reader`."""
        backwards = lengths - int(self.end_last)
        encoded = self.reader(turned(inputs, backwards), lengths)
        return replace(encoded, memory=turned(encoded.memory, backwards))


def turned(values: Float[Tensor, "batch src any"], lengths: Int[Tensor, " batch"]) -> Float[Tensor, "batch src any"]:
    """The first `lengths` places of each sentence from the last to the first; what follows them stays."""
    places = torch.arange(values.shape[1], device=values.device)[None]
    last = lengths.to(values.device)[:, None] - 1
    order = torch.where(places <= last, last - places, places)
    return values.gather(1, order[:, :, None].expand_as(values))


class BothWays(nn.Module):
    """Two readers of the same words, one in each direction, side by side (Schuster and Paliwal 1997)."""

    def __init__(self, forwards: Reader, backwards: Reader) -> None:
        super().__init__()
        self.readers = nn.ModuleList([forwards, backwards])  # type: ignore[list-item]  # they are modules

    def forward(self, inputs: Float[Tensor, "batch src in"], lengths: Int[Tensor, " batch"]) -> EncoderOutput:
        """See `Reader`."""
        read = [reader(inputs, lengths) for reader in self.readers]
        return EncoderOutput(
            torch.cat([each.memory for each in read], dim=2),
            torch.cat([each.hidden for each in read], dim=2),
            torch.cat([each.cell for each in read], dim=2),
        )


@runtime_checkable
class Refinement(Protocol):
    """What happens to the source after it was read."""

    def __call__(self, encoded: EncoderOutput, lengths: Int[Tensor, " batch"]) -> EncoderOutput:
        """The same kind of output."""
        ...


class SelfAttention(nn.Module):
    """Every state looks at all others: memory + attention(memory), normalised (Vaswani et al. 2017, section 3.2)."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(size, heads, dropout, batch_first=True)
        self.norm = nn.LayerNorm(size)

    def forward(self, encoded: EncoderOutput, lengths: Int[Tensor, " batch"]) -> EncoderOutput:
        """See `Refinement`; last states stay as they are."""
        mask, memory = length_mask(lengths, encoded.memory.shape[1]), encoded.memory
        looked, _ = self.attention(memory, memory, memory, key_padding_mask=~mask, need_weights=False)
        return replace(encoded, memory=self.norm(memory + looked) * mask[:, :, None])


class Summary(nn.Module):
    """c = tanh(V h_N), the whole source in one vector: Cho et al. 2014, appendix A.1."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.last = Linear(size, size)

    def forward(self, encoded: EncoderOutput, lengths: Int[Tensor, " batch"]) -> EncoderOutput:
        """See `Refinement`; c takes the place of the last hidden states."""
        return replace(encoded, hidden=tanh(self.last(encoded.hidden)))


class Encoder(nn.Module):
    """Readers, with dropout between them, and refinements of what they give."""

    def __init__(
        self,
        readers: Sequence[Reader],
        dropout: Dropout,
        residual: bool = False,
        refinements: Sequence[Refinement] = (),
    ) -> None:
        """With `residual`, what a reader reads is added to what it gives where the two are of the same width."""
        super().__init__()
        self.readers = nn.ModuleList(readers)  # type: ignore[arg-type]  # they are modules
        self.refinements = nn.ModuleList(refinements)  # type: ignore[arg-type]
        self.dropout = dropout
        self.residual = residual

    def forward(self, embedded: Float[Tensor, "batch src emb"], lengths: Int[Tensor, " batch"]) -> EncoderOutput:
        """Reads the sentences; every length must be at least 1."""
        states = embedded
        read: list[EncoderOutput] = []
        for reader in self.readers:
            below = self.dropout(states) if read else states
            read.append(reader(below, lengths))
            memory = read[-1].memory
            adds = self.residual and len(read) > 1 and memory.shape == states.shape
            states = memory + states if adds else memory
        encoded = EncoderOutput(states, _stacked([one.hidden for one in read]), _stacked([one.cell for one in read]))
        for refinement in self.refinements:
            encoded = refinement(encoded, lengths)
        return encoded


def _stacked(states: Sequence[Float[Tensor, "some batch _"]]) -> Float[Tensor, "layers batch enc"]:
    """Those of all layers; of layers of another width than the top one only the last units, which read backwards."""
    width = states[-1].shape[2]
    return torch.cat([state[:, :, -width:] for state in states])
