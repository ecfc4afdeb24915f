"""The decoder: bridge from the encoder, one step, and its unrolling over a whole target.

A step works on `rows` = batch * beam hypotheses of `batch` sentences; in training there is one row per sentence. The
rows of a sentence share its memory, which is never copied.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.model.attention import Attention, Source
from nmt.model.cells import Cell, StackedCell
from nmt.model.dropout import Dropout
from nmt.model.encoder import EncoderOutput
from nmt.model.fast.layers import Linear
from nmt.model.fast.tanh import tanh
from nmt.model.intra import IntraAttention


@dataclass(frozen=True)
class DecoderState:
    """The recurrent state of every hypothesis.

    Attributes:
        hidden: the hidden states.
        cell: the cell states; no columns if the cells have none.
        feed: what a step hands to the next beside them: the attentional vector with input feeding, the context in
            GNMT's wiring; no columns if nothing.
        seen: what the attention remembers.
        masks: those of variational dropout.
        past: the top layer's states after all steps so far; None where nothing looks at them.
    """

    hidden: Float[Tensor, "layers rows hid"]
    cell: Float[Tensor, "layers rows mem"]
    feed: Float[Tensor, "rows fed"]
    seen: Float[Tensor, "rows ..."]
    masks: Float[Tensor, "layers rows masks"]
    past: Float[Tensor, "rows steps hid"] | None = None

    def select(self, rows: Int[Tensor, " chosen"]) -> "DecoderState":
        """The given rows, in the given order; a row may be taken more than once."""
        past = None if self.past is None else self.past[rows]
        return DecoderState(
            self.hidden[:, rows], self.cell[:, rows], self.feed[rows], self.seen[rows], self.masks[:, rows], past
        )


@dataclass(frozen=True)
class DecoderStep:
    """What one step gives.

    Attributes:
        output: the vector from which the next word is predicted.
        weights: attention over the source, None without attention.
        state: the state after the step.
    """

    output: Float[Tensor, "rows out"]
    weights: Float[Tensor, "rows src"] | None
    state: DecoderState


@runtime_checkable
class Decoder(Protocol):
    """The step that training and search share."""

    def keys(self, encoded: EncoderOutput) -> Float[Tensor, "batch any att"]:
        """What of the attention can be computed once per sentence."""
        ...

    def start(
        self, hidden: Float[Tensor, "layers rows hid"], cell: Float[Tensor, "layers rows mem"], source: Source
    ) -> DecoderState:
        """The state before the first word."""
        ...

    def step(self, embedded: Float[Tensor, "rows emb"], state: DecoderState, source: Source) -> DecoderStep:
        """Reads one word and looks at the source."""
        ...


def unroll(
    decoder: Decoder, embedded: Float[Tensor, "batch tgt emb"], state: DecoderState, source: Source
) -> tuple[Float[Tensor, "batch tgt out"], Float[Tensor, "batch tgt src"] | None]:
    """Steps through a whole target; returns the outputs and the attention weights of every step."""
    outputs, weights = [], []
    for word in embedded.unbind(1):
        step = decoder.step(word, state, source)
        state = step.state
        outputs.append(step.output)
        if step.weights is not None:
            weights.append(step.weights)
    return torch.stack(outputs, dim=1), torch.stack(weights, dim=1) if weights else None


class LuongDecoder(nn.Module):
    """Luong et al. 2015, section 3: h_t -> a_t -> c_t -> attentional vector tanh(W_c [c_t; h_t]).

    The query is the state after the step. With input feeding (section 3.3) the attentional vector is part of the
    next step's input.
    """

    def __init__(
        self,
        cell: StackedCell,
        attention: Attention,
        memory_size: int,
        hidden_size: int,
        input_feeding: bool,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.attention = attention
        self.combine = Linear(memory_size + hidden_size, hidden_size, bias=False)
        self.feed_size = hidden_size if input_feeding else 0

    def keys(self, encoded: EncoderOutput) -> Float[Tensor, "batch any att"]:
        """See `Decoder`."""
        return self.attention.keys(encoded)

    def start(
        self, hidden: Float[Tensor, "layers rows hid"], cell: Float[Tensor, "layers rows mem"], source: Source
    ) -> DecoderState:
        """See `Decoder`; the first attentional vector is zero."""
        feed = hidden.new_zeros(hidden.shape[1], self.feed_size)
        return DecoderState(hidden, cell, feed, self.attention.start(source, hidden[-1]), self.cell.masks(hidden))

    def step(self, embedded: Float[Tensor, "rows emb"], state: DecoderState, source: Source) -> DecoderStep:
        """See `Decoder`."""
        read = torch.cat([embedded, state.feed], dim=-1)
        hidden, cell, top = self.cell(read, state.hidden, state.cell, state.masks)
        attended = self.attention(top, source, state.seen)
        output = tanh(self.combine(torch.cat([attended.context, top], dim=-1)))  # equation 5
        feed = output if self.feed_size else state.feed
        return DecoderStep(output, attended.weights, DecoderState(hidden, cell, feed, attended.seen, state.masks))


@runtime_checkable
class DeepOutput(Protocol):
    """From a step of the decoder to the vector that predicts a word (Pascanu et al. 2014)."""

    def __call__(
        self,
        before: Float[Tensor, "*any hid"],
        after: Float[Tensor, "*any hid"],
        context: Float[Tensor, "*any enc"],
        embedded: Float[Tensor, "*any emb"],
    ) -> Float[Tensor, "*any out"]:
        """From the states before and after the step, the context and the word before."""
        ...


class TanhOutput(nn.Module):
    """tanh(W [s_i; c_i; E y_(i-1)] + b): of the state after the step, as in Nematus (Sennrich et al. 2017)."""

    def __init__(self, hidden_size: int, memory_size: int, embedding_size: int) -> None:
        super().__init__()
        self.combine = Linear(hidden_size + memory_size + embedding_size, hidden_size)

    def forward(
        self,
        before: Float[Tensor, "*any hid"],
        after: Float[Tensor, "*any hid"],
        context: Float[Tensor, "*any enc"],
        embedded: Float[Tensor, "*any emb"],
    ) -> Float[Tensor, "*any hid"]:
        """See `DeepOutput`."""
        return tanh(self.combine(torch.cat([after, context, embedded], dim=-1)))


class MaxoutOutput(nn.Module):
    """t_i = max of each pair of U_o s_(i-1) + V_o E y_(i-1) + C_o c_i: Bahdanau et al. 2015, appendix A.2.2.

    It reads the state before the step; the maximum of pairs is the maxout of Goodfellow et al. 2013.
    """

    def __init__(self, hidden_size: int, memory_size: int, embedding_size: int, size: int) -> None:
        """`size` is l, the number of pairs."""
        super().__init__()
        self.combine = Linear(hidden_size + memory_size + embedding_size, 2 * size)

    def forward(
        self,
        before: Float[Tensor, "*any hid"],
        after: Float[Tensor, "*any hid"],
        context: Float[Tensor, "*any enc"],
        embedded: Float[Tensor, "*any emb"],
    ) -> Float[Tensor, "*any out"]:
        """See `DeepOutput`."""
        combined: Tensor = self.combine(torch.cat([before, context, embedded], dim=-1))
        return combined.view(*combined.shape[:-1], -1, 2).amax(dim=-1)


class BahdanauDecoder(nn.Module):
    """Bahdanau et al. 2015, section 3.1 and appendix A.2.2.

    The query is the state before the step; the context enters the cell, all its gates, beside the word; the output is
    computed from the state, the context and the word.
    """

    def __init__(self, cell: StackedCell, attention: Attention, output: DeepOutput) -> None:
        super().__init__()
        self.cell = cell
        self.attention = attention
        self.output = output

    def keys(self, encoded: EncoderOutput) -> Float[Tensor, "batch any att"]:
        """See `Decoder`."""
        return self.attention.keys(encoded)

    def start(
        self, hidden: Float[Tensor, "layers rows hid"], cell: Float[Tensor, "layers rows mem"], source: Source
    ) -> DecoderState:
        """See `Decoder`."""
        nothing = hidden.new_zeros(hidden.shape[1], 0)
        return DecoderState(hidden, cell, nothing, self.attention.start(source, hidden[-1]), self.cell.masks(hidden))

    def step(self, embedded: Float[Tensor, "rows emb"], state: DecoderState, source: Source) -> DecoderStep:
        """See `Decoder`."""
        before = state.hidden[-1]
        attended = self.attention(before, source, state.seen)
        read = torch.cat([embedded, attended.context], dim=-1)
        hidden, cell, after = self.cell(read, state.hidden, state.cell, state.masks)
        output = self.output(before, after, attended.context, embedded)
        return DecoderStep(output, attended.weights, DecoderState(hidden, cell, state.feed, attended.seen, state.masks))


class ConditionalDecoder(nn.Module):
    """The conditional GRU of Nematus (Sennrich et al. 2017, section 2): a cell, the attention, another cell.

    s'_i from the word and s_(i-1); c_i by the query s'_i; s_i from c_i and s'_i. Any cell will do.
    """

    def __init__(self, first: Cell, second: Cell, attention: Attention, output: DeepOutput) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.attention = attention
        self.output = output

    def keys(self, encoded: EncoderOutput) -> Float[Tensor, "batch any att"]:
        """See `Decoder`."""
        return self.attention.keys(encoded)

    def start(
        self, hidden: Float[Tensor, "one rows hid"], cell: Float[Tensor, "one rows mem"], source: Source
    ) -> DecoderState:
        """See `Decoder`; there is one layer."""
        nothing = hidden.new_zeros(hidden.shape[1], 0)
        return DecoderState(hidden, cell, nothing, self.attention.start(source, hidden[-1]), hidden[:, :, :0])

    def step(self, embedded: Float[Tensor, "rows emb"], state: DecoderState, source: Source) -> DecoderStep:
        """See `Decoder`."""
        between = self.first(embedded, (state.hidden[0], state.cell[0]))
        attended = self.attention(between[0], source, state.seen)
        hidden, cell = self.second(attended.context, between)
        output = self.output(state.hidden[0], hidden, attended.context, embedded)
        after = DecoderState(hidden[None], cell[None], state.feed, attended.seen, state.masks)
        return DecoderStep(output, attended.weights, after)


class GnmtDecoder(nn.Module):
    """The bottom layer asks, and the context goes to all layers: `gnmt_v2` of tensorflow/nmt.

    The bottom layer reads the word and the context of the step before; its state after the step is the query; every
    other layer reads the one below and the new context. Residual connections begin above the second layer. Wu et al.
    2016, section 3, ask with the bottom layer's state of the step before.
    """

    def __init__(
        self, cells: Sequence[Cell], attention: Attention, memory_size: int, dropout: float, residual: bool
    ) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)  # type: ignore[arg-type]  # they are modules
        self.attention = attention
        self.memory_size = memory_size
        self.dropout = Dropout(dropout)
        self.residual = residual

    def keys(self, encoded: EncoderOutput) -> Float[Tensor, "batch any att"]:
        """See `Decoder`."""
        return self.attention.keys(encoded)

    def start(
        self, hidden: Float[Tensor, "layers rows hid"], cell: Float[Tensor, "layers rows mem"], source: Source
    ) -> DecoderState:
        """See `Decoder`; the first context is zero."""
        context = hidden.new_zeros(hidden.shape[1], self.memory_size)
        return DecoderState(hidden, cell, context, self.attention.start(source, hidden[0]), hidden[:, :, :0])

    def step(self, embedded: Float[Tensor, "rows emb"], state: DecoderState, source: Source) -> DecoderStep:
        """See `Decoder`."""
        bottom, *upper = self.cells
        states = [bottom(torch.cat([embedded, state.feed], dim=-1), (state.hidden[0], state.cell[0]))]
        given = states[0][0]
        attended = self.attention(given, source, state.seen)
        for layer, cell in enumerate(upper, start=1):
            below = torch.cat([self.dropout(given), attended.context], dim=-1)
            states.append(cell(below, (state.hidden[layer], state.cell[layer])))
            adds = self.residual and layer > 1
            given = states[-1][0] + given if adds else states[-1][0]
        hidden, cell_states = (torch.stack(each) for each in zip(*states, strict=True))
        after = DecoderState(hidden, cell_states, attended.context, attended.seen, state.masks)
        return DecoderStep(given, attended.weights, after)


class SeeDecoder(nn.Module):
    """See et al. 2017, section 2.1, wired as their code is (abisee/pointer-generator).

    The cell reads the word and the context of the step before, merged by a linear layer; its state after the step is
    the query and is handed on with the context: [s_t; h*_t], from which V'(V [s_t; h*_t] + b) + b' of equation 4
    predicts the word. s_t is the hidden state alone; their code asks with the LSTM's cell state, too.

    With an attention to its own past, what s_t sees of the states before it is handed on, too: [s_t; h*_t; c_t] of
    Paulus et al. 2018, equation 9.
    """

    def __init__(
        self,
        cell: StackedCell,
        attention: Attention,
        memory_size: int,
        embedding_size: int,
        intra: IntraAttention | None = None,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.attention = attention
        self.intra = intra
        self.merge = Linear(embedding_size + memory_size, embedding_size)
        self.memory_size = memory_size

    def keys(self, encoded: EncoderOutput) -> Float[Tensor, "batch any att"]:
        """See `Decoder`."""
        return self.attention.keys(encoded)

    def start(
        self, hidden: Float[Tensor, "layers rows hid"], cell: Float[Tensor, "layers rows mem"], source: Source
    ) -> DecoderState:
        """See `Decoder`; the first context is zero, and there is no past."""
        context = hidden.new_zeros(hidden.shape[1], self.memory_size)
        seen, masks = self.attention.start(source, hidden[-1]), self.cell.masks(hidden)
        past = None if self.intra is None else hidden[-1][:, None][:, :0]
        return DecoderState(hidden, cell, context, seen, masks, past)

    def step(self, embedded: Float[Tensor, "rows emb"], state: DecoderState, source: Source) -> DecoderStep:
        """See `Decoder`."""
        read = self.merge(torch.cat([embedded, state.feed], dim=-1))
        hidden, cell, top = self.cell(read, state.hidden, state.cell, state.masks)
        attended = self.attention(top, source, state.seen)
        given, past = [top, attended.context], state.past
        if self.intra is not None and past is not None:
            given.append(self.intra(top, past))
            past = torch.cat([past, top[:, None]], dim=1)
        after = DecoderState(hidden, cell, attended.context, attended.seen, state.masks, past)
        return DecoderStep(torch.cat(given, dim=-1), attended.weights, after)


class PlainDecoder(nn.Module):
    """No attention: Sutskever et al. 2014. The source is known through the first state only."""

    def __init__(self, cell: StackedCell) -> None:
        super().__init__()
        self.cell = cell

    def keys(self, encoded: EncoderOutput) -> Float[Tensor, "batch any nothing"]:
        """See `Decoder`; there is nothing to score."""
        return encoded.memory[:, :, :0]

    def start(
        self, hidden: Float[Tensor, "layers rows hid"], cell: Float[Tensor, "layers rows mem"], source: Source
    ) -> DecoderState:
        """See `Decoder`."""
        nothing = hidden.new_zeros(hidden.shape[1], 0)
        return DecoderState(hidden, cell, nothing, nothing, self.cell.masks(hidden))

    def step(self, embedded: Float[Tensor, "rows emb"], state: DecoderState, source: Source) -> DecoderStep:
        """See `Decoder`."""
        hidden, cell, top = self.cell(embedded, state.hidden, state.cell, state.masks)
        return DecoderStep(top, None, DecoderState(hidden, cell, state.feed, state.seen, state.masks))


@runtime_checkable
class Bridge(Protocol):
    """From the encoder's last states to the decoder's first ones."""

    def __call__(
        self, encoded: EncoderOutput, lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "layers batch hid"], Float[Tensor, "layers batch mem"]]:
        """The decoder's first hidden and cell states."""
        ...


class LinearBridge(nn.Module):
    """s_0 = tanh(W_s h_1) of the backward state: Bahdanau et al. 2015, appendix A.2.2; the cell state likewise.

    Or of both directions' last states, as JoeyNMT's `bridge`.
    """

    def __init__(self, encoder_size: int, hidden_size: int, layers: int, has_cell_state: bool) -> None:
        """`encoder_size` is the encoder's number of units per direction, or of both to read both."""
        super().__init__()
        self.layers = layers
        self.encoder_size = encoder_size
        self.hidden = Linear(encoder_size, layers * hidden_size)
        self.cell = Linear(encoder_size, layers * hidden_size) if has_cell_state else None

    def forward(
        self, encoded: EncoderOutput, lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "layers batch hid"], Float[Tensor, "layers batch mem"]]:
        """See `Bridge`."""
        last = encoded.hidden[-1, :, -self.encoder_size :]
        hidden = self._split(tanh(self.hidden(last)))
        return hidden, hidden[:, :, :0] if self.cell is None else self._split(tanh(self.cell(last)))

    def _split(self, state: Float[Tensor, "batch all"]) -> Float[Tensor, "layers batch hid"]:
        return state.reshape(len(state), self.layers, -1).transpose(0, 1).contiguous()


class MeanBridge(nn.Module):
    """s_0 = tanh(W_s mean_j h_j), of the states of all words: Nematus (Sennrich et al. 2017, section 2)."""

    def __init__(self, memory_size: int, hidden_size: int, layers: int, has_cell_state: bool) -> None:
        super().__init__()
        self.linear = LinearBridge(memory_size, hidden_size, layers, has_cell_state)

    def forward(
        self, encoded: EncoderOutput, lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "layers batch hid"], Float[Tensor, "layers batch mem"]]:
        """See `Bridge`."""
        mean = encoded.memory.sum(dim=1) / lengths.to(encoded.memory.device)[:, None]  # the padding has zeros
        first: tuple[Tensor, Tensor] = self.linear(replace(encoded, hidden=mean[None]), lengths)
        return first


class CopyBridge(nn.Module):
    """The encoder's last states, layer by layer, as in Sutskever et al. 2014.

    With `by_direction` those of each direction begin a layer of their own, forwards first (tensorflow/nmt's
    bidirectional encoder, which has half as many layers as the decoder).
    """

    def __init__(self, by_direction: bool) -> None:
        super().__init__()
        self.by_direction = by_direction

    def forward(
        self, encoded: EncoderOutput, lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "layers batch hid"], Float[Tensor, "layers batch mem"]]:
        """See `Bridge`."""
        if not self.by_direction:
            return encoded.hidden, encoded.cell
        hidden, cell = (torch.stack(state.chunk(2, dim=2), 1).flatten(0, 1) for state in (encoded.hidden, encoded.cell))
        return hidden, cell


class ZeroBridge(nn.Module):
    """Zeros: all that the decoder knows of the source comes through the attention."""

    def __init__(self, hidden_size: int, layers: int, has_cell_state: bool) -> None:
        super().__init__()
        self.layers = layers
        self.hidden_size = hidden_size
        self.has_cell_state = has_cell_state

    def forward(
        self, encoded: EncoderOutput, lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "layers batch hid"], Float[Tensor, "layers batch mem"]]:
        """See `Bridge`."""
        zeros = encoded.memory.new_zeros(self.layers, encoded.memory.shape[0], self.hidden_size)
        return zeros, zeros if self.has_cell_state else zeros[:, :, :0]
