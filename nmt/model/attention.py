"""Attention: scores, masked softmax, context. One query or many per sentence, so training and search share it.

An attention goes from a query and a source to a context. `GlobalAttention` looks at the whole source by one of the
scores; `nmt.model.local` and `nmt.model.coverage` have those that look at a window, or at what was looked at before.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.model.dropout import Dropout
from nmt.model.encoder import EncoderOutput
from nmt.model.fast.layers import Linear
from nmt.model.fast.tanh import tanh_in_place


def at_least_float32(tensor: Tensor) -> torch.dtype:
    """The precision for what adds up or is exponentiated: the tensor's own, but float32 for half precision."""
    return torch.promote_types(tensor.dtype, torch.float32)


def masked_softmax(
    scores: Float[Tensor, "batch queries src"], mask: Bool[Tensor, "batch src"]
) -> Float[Tensor, "batch queries src"]:
    """Softmax over the real source positions, at least in float32; a row without any gets all zeros, never NaN."""
    scores = scores.to(at_least_float32(scores))
    lowest = torch.finfo(scores.dtype).min
    weights = scores.masked_fill(~mask[:, None, :], lowest).softmax(dim=-1)
    return weights * mask[:, None, :]


@dataclass(frozen=True)
class Source:
    """What the decoder looks at: one entry per sentence, whatever the number of hypotheses.

    Attributes:
        memory: the encoder's states.
        keys: what of the attention depends on the source alone.
        mask: True for real tokens.
    """

    memory: Float[Tensor, "batch src enc"]
    keys: Float[Tensor, "batch any att"]
    mask: Bool[Tensor, "batch src"]

    def select(self, sentences: Int[Tensor, " kept"]) -> "Source":
        """The given sentences only, in the given order."""
        return Source(self.memory[sentences], self.keys[sentences], self.mask[sentences])


@dataclass(frozen=True)
class Attended:
    """What an attention gives.

    Attributes:
        context: what was seen of the source.
        weights: how much of each source position; None if all hypotheses always see the same.
        seen: what the attention remembers for the next step.
    """

    context: Float[Tensor, "rows enc"]
    weights: Float[Tensor, "rows src"] | None
    seen: Float[Tensor, "rows ..."]


@runtime_checkable
class Attention(Protocol):
    """From queries, one for each row, to contexts; the rows of a sentence follow each other."""

    def keys(self, encoded: EncoderOutput) -> Float[Tensor, "batch any att"]:
        """What depends on the source alone; computed once per sentence."""
        ...

    def start(self, source: Source, query: Float[Tensor, "rows hid"]) -> Float[Tensor, "rows ..."]:
        """What is remembered before the first step; no columns if nothing ever is."""
        ...

    def __call__(self, query: Float[Tensor, "rows hid"], source: Source, seen: Float[Tensor, "rows ..."]) -> Attended:
        """Looks at the source once."""
        ...


@runtime_checkable
class Score(Protocol):
    """How well a query fits each source position."""

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src att"]:
        """What of the score depends on the source alone; computed once per sentence."""
        ...

    def __call__(
        self, query: Float[Tensor, "batch queries hid"], keys: Float[Tensor, "batch src att"]
    ) -> Float[Tensor, "batch queries src"]:
        """The unnormalised scores of each query over the source positions."""
        ...


class AdditiveScore(nn.Module):
    """v' tanh(W_a s + U_a h + b): Bahdanau et al. 2015, appendix A.1.2, whose equations leave biases out.

    It is also `concat` of Luong et al. 2015, section 3.1: W_a [h_t; h_s] is the sum of the products with the two
    halves of W_a, so the half of the source can be computed once per sentence.
    """

    def __init__(self, query_size: int, memory_size: int, size: int) -> None:
        super().__init__()
        self.query = Linear(query_size, size, bias=False)
        self.memory = Linear(memory_size, size)
        self.score = nn.Linear(size, 1, bias=False)  # v, which is used as a vector

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src att"]:
        """U_a h of every source position."""
        keys: Tensor = self.memory(memory)
        return keys

    def forward(
        self, query: Float[Tensor, "batch queries hid"], keys: Float[Tensor, "batch src att"]
    ) -> Float[Tensor, "batch queries src"]:
        """The unnormalised scores of each query over the source positions."""
        hidden = tanh_in_place(self.query(query)[:, :, None, :] + keys[:, None, :, :])
        # A product with a vector, not a layer with one output: the same numbers, much faster on a CPU.
        return torch.matmul(hidden, self.score.weight[0])


class DotScore(nn.Module):
    """h_t . h_s: Luong et al. 2015, section 3.1, `dot`."""

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src enc"]:
        """The encoder's states themselves."""
        return memory

    def forward(
        self, query: Float[Tensor, "batch queries hid"], keys: Float[Tensor, "batch src hid"]
    ) -> Float[Tensor, "batch queries src"]:
        """The unnormalised scores of each query over the source positions."""
        return torch.bmm(query, keys.transpose(1, 2))


class GeneralScore(nn.Module):
    """h_t' W_a h_s: Luong et al. 2015, section 3.1, `general`."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.memory = Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src hid"]:
        """W_a h_s of every source position."""
        keys: Tensor = self.memory(memory)
        return keys

    def forward(
        self, query: Float[Tensor, "batch queries hid"], keys: Float[Tensor, "batch src hid"]
    ) -> Float[Tensor, "batch queries src"]:
        """The unnormalised scores of each query over the source positions."""
        return torch.bmm(query, keys.transpose(1, 2))


class LocationScore(nn.Module):
    """W_a h_t, a number for each position: Luong et al. 2015, section 3.1, `location`.

    Of longer sources the last words are ignored, as there; shorter ones use the first rows of W_a.
    """

    def __init__(self, query_size: int, positions: int) -> None:
        super().__init__()
        self.place = Linear(query_size, positions, bias=False)

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src nothing"]:
        """Nothing but the number of positions."""
        return memory[:, :, :0]

    def forward(
        self, query: Float[Tensor, "batch queries hid"], keys: Float[Tensor, "batch src nothing"]
    ) -> Float[Tensor, "batch queries src"]:
        """The unnormalised scores of each query over the source positions; -inf for those beyond the last known."""
        scores: Tensor = self.place(query)[:, :, : keys.shape[1]]
        return nn.functional.pad(scores, (0, keys.shape[1] - scores.shape[2]), value=-torch.inf)


class ScaledScore(nn.Module):
    """g h_t' W_a h_s: Luong's `general` with a learned factor, `scaled_luong` of tensorflow/nmt."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.memory = Linear(memory_size, query_size, bias=False)
        self.gain = nn.Parameter(torch.ones(()))

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src hid"]:
        """G W_a h_s of every source position."""
        keys: Tensor = self.gain * self.memory(memory)
        return keys

    def forward(
        self, query: Float[Tensor, "batch queries hid"], keys: Float[Tensor, "batch src hid"]
    ) -> Float[Tensor, "batch queries src"]:
        """The unnormalised scores of each query over the source positions."""
        return torch.bmm(query, keys.transpose(1, 2))


class NormedAdditiveScore(nn.Module):
    """g v' / |v| tanh(W_a s + U_a h + b): the additive score with weight normalisation of v (Salimans and Kingma 2016).

    `normed_bahdanau` of tensorflow/nmt; g begins as the inverse square root of the number of units.
    """

    def __init__(self, query_size: int, memory_size: int, size: int) -> None:
        super().__init__()
        self.additive = AdditiveScore(query_size, memory_size, size)
        self.gain = nn.Parameter(torch.tensor(size**-0.5))

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src att"]:
        """U_a h + b of every source position."""
        return self.additive.keys(memory)

    def forward(
        self, query: Float[Tensor, "batch queries hid"], keys: Float[Tensor, "batch src att"]
    ) -> Float[Tensor, "batch queries src"]:
        """The unnormalised scores of each query over the source positions."""
        scores: Tensor = self.additive(query, keys)
        normed: Tensor = scores * (self.gain / self.additive.score.weight.norm())
        return normed


class GlobalAttention(nn.Module):
    """Looks at the whole source: Bahdanau et al. 2015, section 3.1, and Luong et al. 2015, section 3.1."""

    def __init__(self, score: Score) -> None:
        super().__init__()
        self.score = score

    def keys(self, encoded: EncoderOutput) -> Float[Tensor, "batch src att"]:
        """See `Attention`: those of the score."""
        return self.score.keys(encoded.memory)

    def start(self, source: Source, query: Float[Tensor, "rows hid"]) -> Float[Tensor, "rows nothing"]:
        """See `Attention`: nothing is remembered."""
        return query[:, :0]

    def forward(
        self, query: Float[Tensor, "rows hid"], source: Source, seen: Float[Tensor, "rows nothing"]
    ) -> Attended:
        """See `Attention`: the context is the mean of the memory, weighted by the softmax of the scores."""
        queries = query.reshape(len(source.memory), -1, query.shape[1])
        weights = masked_softmax(self.score(queries, source.keys), source.mask)
        context = torch.bmm(weights.to(source.memory.dtype), source.memory)
        return Attended(context.flatten(0, 1), weights.flatten(0, 1), seen)


class SummaryContext(nn.Module):
    """No attention: the same context at every step, the encoder's last state.

    So has RNNencdec of Bahdanau et al. 2015, appendix A.2.2. With `nmt.model.encoder.Summary` it is c of the RNN
    Encoder-Decoder of Cho et al. 2014, section 2.2.
    """

    def __init__(self, dropout: Dropout) -> None:
        """`dropout` is that of the context, which the bridge reads without."""
        super().__init__()
        self.dropout = dropout

    def keys(self, encoded: EncoderOutput) -> Float[Tensor, "batch one enc"]:
        """See `Attention`: the context."""
        context: Tensor = self.dropout(encoded.hidden[-1])
        return context[:, None]

    def start(self, source: Source, query: Float[Tensor, "rows hid"]) -> Float[Tensor, "rows nothing"]:
        """See `Attention`: nothing is remembered."""
        return query[:, :0]

    def forward(
        self, query: Float[Tensor, "rows hid"], source: Source, seen: Float[Tensor, "rows nothing"]
    ) -> Attended:
        """See `Attention`: the context, whatever the query."""
        context = source.keys.expand(-1, len(query) // len(source.keys), -1)
        return Attended(context.flatten(0, 1), None, seen)
