"""The decoder: bridge from the encoder, one step, and its unrolling over a whole target.

A step works on `rows` = batch * beam hypotheses of `batch` sentences; in training there is one row per sentence. The
rows of a sentence share its memory, which is never copied.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.model.attention import Score, masked_softmax
from nmt.model.encoder import EncoderOutput
from nmt.model.fast.layers import Linear, LSTMCell
from nmt.model.fast.tanh import tanh


@dataclass(frozen=True)
class Source:
    """What the decoder looks at: one entry per sentence, whatever the number of hypotheses.

    Attributes:
        memory: the encoder's states.
        keys: what of the attention's score depends on the source alone.
        mask: True for real tokens.
    """

    memory: Float[Tensor, "batch src enc"]
    keys: Float[Tensor, "batch src att"]
    mask: Bool[Tensor, "batch src"]

    def select(self, sentences: Int[Tensor, " kept"]) -> "Source":
        """The given sentences only, in the given order."""
        return Source(self.memory[sentences], self.keys[sentences], self.mask[sentences])


@dataclass(frozen=True)
class DecoderState:
    """The recurrent state of every hypothesis.

    Attributes:
        hidden: the LSTM's hidden states.
        cell: the LSTM's cell states.
        feed: the attentional vector of the step before; empty (no columns) without input feeding.
    """

    hidden: Float[Tensor, "layers rows hid"]
    cell: Float[Tensor, "layers rows hid"]
    feed: Float[Tensor, "rows fed"]

    def select(self, rows: Int[Tensor, " chosen"]) -> "DecoderState":
        """The given rows, in the given order; a row may be taken more than once."""
        return DecoderState(self.hidden[:, rows], self.cell[:, rows], self.feed[rows])


@dataclass(frozen=True)
class DecoderStep:
    """What one step gives.

    Attributes:
        output: the vector from which the next word is predicted.
        weights: attention over the source, None without attention.
        state: the state after the step.
    """

    output: Float[Tensor, "rows hid"]
    weights: Float[Tensor, "rows src"] | None
    state: DecoderState


@runtime_checkable
class Decoder(Protocol):
    """The step that training and search share."""

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src att"]:
        """What of the attention can be computed once per sentence."""
        ...

    def start(self, hidden: Float[Tensor, "layers rows hid"], cell: Float[Tensor, "layers rows hid"]) -> DecoderState:
        """The state before the first word."""
        ...

    def step(self, embedded: Float[Tensor, "rows emb"], state: DecoderState, source: Source) -> DecoderStep:
        """Reads one word and looks at the source."""
        ...


def unroll(
    decoder: Decoder, embedded: Float[Tensor, "batch tgt emb"], state: DecoderState, source: Source
) -> tuple[Float[Tensor, "batch tgt hid"], Float[Tensor, "batch tgt src"] | None]:
    """Steps through a whole target; returns the outputs and the attention weights of every step."""
    outputs, weights = [], []
    for word in embedded.unbind(1):
        step = decoder.step(word, state, source)
        state = step.state
        outputs.append(step.output)
        if step.weights is not None:
            weights.append(step.weights)
    return torch.stack(outputs, dim=1), torch.stack(weights, dim=1) if weights else None


class StackedCell(nn.Module):
    """One time step of a stack of LSTM layers, with dropout between the layers (Zaremba et al. 2014)."""

    def __init__(self, input_size: int, hidden_size: int, layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [input_size] + [hidden_size] * (layers - 1)
        self.cells = nn.ModuleList([LSTMCell(size, hidden_size) for size in sizes])
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, inputs: Float[Tensor, "rows in"], state: DecoderState
    ) -> tuple[Float[Tensor, "rows hid"], Float[Tensor, "layers rows hid"], Float[Tensor, "layers rows hid"]]:
        """Returns the top layer's output and all layers' hidden and cell states."""
        hiddens: list[Tensor] = []
        cells: list[Tensor] = []
        for layer, cell in enumerate(self.cells):
            below = self.dropout(hiddens[-1]) if hiddens else inputs
            hidden, state_of_cell = cell(below, (state.hidden[layer], state.cell[layer]))
            hiddens.append(hidden)
            cells.append(state_of_cell)
        return hiddens[-1], torch.stack(hiddens), torch.stack(cells)


def attend(
    score: Score, query: Float[Tensor, "rows hid"], source: Source
) -> tuple[Float[Tensor, "rows enc"], Float[Tensor, "rows src"]]:
    """The context of each hypothesis, a weighted mean of its sentence's memory, and the weights."""
    batch = source.memory.shape[0]
    queries = query.reshape(batch, -1, query.shape[1])
    weights = masked_softmax(score(queries, source.keys), source.mask)
    context = torch.bmm(weights.to(source.memory.dtype), source.memory)
    return context.flatten(0, 1), weights.flatten(0, 1)


class LuongDecoder(nn.Module):
    """Luong et al. 2015, section 3: h_t -> a_t -> c_t -> attentional vector tanh(W_c [c_t; h_t]).

    The query is the state after the step. With input feeding (section 3.3) the attentional vector is part of the
    next step's input.
    """

    def __init__(
        self,
        cell: StackedCell,
        score: Score,
        memory_size: int,
        hidden_size: int,
        input_feeding: bool,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.score = score
        self.combine = Linear(memory_size + hidden_size, hidden_size, bias=False)
        self.feed_size = hidden_size if input_feeding else 0

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src att"]:
        """See `Decoder`."""
        return self.score.keys(memory)

    def start(self, hidden: Float[Tensor, "layers rows hid"], cell: Float[Tensor, "layers rows hid"]) -> DecoderState:
        """See `Decoder`; the first attentional vector is zero."""
        return DecoderState(hidden, cell, hidden.new_zeros(hidden.shape[1], self.feed_size))

    def step(self, embedded: Float[Tensor, "rows emb"], state: DecoderState, source: Source) -> DecoderStep:
        """See `Decoder`."""
        top, hidden, cell = self.cell(torch.cat([embedded, state.feed], dim=-1), state)
        context, weights = attend(self.score, top, source)
        output = tanh(self.combine(torch.cat([context, top], dim=-1)))  # equation 5
        feed = output if self.feed_size else state.feed
        return DecoderStep(output, weights, DecoderState(hidden, cell, feed))


class BahdanauDecoder(nn.Module):
    """Bahdanau et al. 2015, section 3.1 and appendix A.2.2, with an LSTM in place of the gated unit.

    The query is the state before the step; the context enters the cell beside the word; the output is computed from
    the new state, the context and the word: a deep output with tanh, where the paper's reads the state before the step
    and takes the maximum of pairs.
    """

    def __init__(
        self, cell: StackedCell, score: Score, memory_size: int, hidden_size: int, embedding_size: int
    ) -> None:
        super().__init__()
        self.cell = cell
        self.score = score
        self.combine = Linear(hidden_size + memory_size + embedding_size, hidden_size)

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src att"]:
        """See `Decoder`."""
        return self.score.keys(memory)

    def start(self, hidden: Float[Tensor, "layers rows hid"], cell: Float[Tensor, "layers rows hid"]) -> DecoderState:
        """See `Decoder`."""
        return DecoderState(hidden, cell, hidden.new_zeros(hidden.shape[1], 0))

    def step(self, embedded: Float[Tensor, "rows emb"], state: DecoderState, source: Source) -> DecoderStep:
        """See `Decoder`."""
        context, weights = attend(self.score, state.hidden[-1], source)
        top, hidden, cell = self.cell(torch.cat([embedded, context], dim=-1), state)
        output = tanh(self.combine(torch.cat([top, context, embedded], dim=-1)))
        return DecoderStep(output, weights, DecoderState(hidden, cell, state.feed))


class PlainDecoder(nn.Module):
    """No attention: Sutskever et al. 2014. The source is known through the first state only."""

    def __init__(self, cell: StackedCell) -> None:
        super().__init__()
        self.cell = cell

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src att"]:
        """See `Decoder`; there is nothing to score."""
        return memory[:, :, :0]

    def start(self, hidden: Float[Tensor, "layers rows hid"], cell: Float[Tensor, "layers rows hid"]) -> DecoderState:
        """See `Decoder`."""
        return DecoderState(hidden, cell, hidden.new_zeros(hidden.shape[1], 0))

    def step(self, embedded: Float[Tensor, "rows emb"], state: DecoderState, source: Source) -> DecoderStep:
        """See `Decoder`."""
        top, hidden, cell = self.cell(embedded, state)
        return DecoderStep(top, None, DecoderState(hidden, cell, state.feed))


@runtime_checkable
class Bridge(Protocol):
    """From the encoder's last states to the decoder's first ones."""

    def __call__(
        self, encoded: EncoderOutput
    ) -> tuple[Float[Tensor, "layers batch hid"], Float[Tensor, "layers batch hid"]]:
        """The decoder's first hidden and cell states."""
        ...


class LinearBridge(nn.Module):
    """s_0 = tanh(W_s h_1) of the backward state: Bahdanau et al. 2015, appendix A.2.2; the cell likewise."""

    def __init__(self, encoder_size: int, hidden_size: int, layers: int) -> None:
        """`encoder_size` is the encoder's number of units per direction, or of both to read both."""
        super().__init__()
        self.layers = layers
        self.encoder_size = encoder_size
        self.hidden = Linear(encoder_size, layers * hidden_size)
        self.cell = Linear(encoder_size, layers * hidden_size)

    def forward(
        self, encoded: EncoderOutput
    ) -> tuple[Float[Tensor, "layers batch hid"], Float[Tensor, "layers batch hid"]]:
        """See `Bridge`."""
        last = encoded.hidden[-1, :, -self.encoder_size :]
        return self._split(tanh(self.hidden(last))), self._split(tanh(self.cell(last)))

    def _split(self, state: Float[Tensor, "batch all"]) -> Float[Tensor, "layers batch hid"]:
        return state.reshape(len(state), self.layers, -1).transpose(0, 1).contiguous()


class CopyBridge(nn.Module):
    """The encoder's last states, layer by layer, as in Sutskever et al. 2014."""

    def forward(
        self, encoded: EncoderOutput
    ) -> tuple[Float[Tensor, "layers batch hid"], Float[Tensor, "layers batch hid"]]:
        """See `Bridge`."""
        return encoded.hidden, encoded.cell


class ZeroBridge(nn.Module):
    """Zeros: all that the decoder knows of the source comes through the attention."""

    def __init__(self, hidden_size: int, layers: int) -> None:
        super().__init__()
        self.shape: Sequence[int] = (layers, hidden_size)

    def forward(
        self, encoded: EncoderOutput
    ) -> tuple[Float[Tensor, "layers batch hid"], Float[Tensor, "layers batch hid"]]:
        """See `Bridge`."""
        layers, hidden_size = self.shape
        zeros = encoded.memory.new_zeros(layers, encoded.memory.shape[0], hidden_size)
        return zeros, zeros
