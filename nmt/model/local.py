"""Local attention: Luong et al. 2015, section 3.2."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.model.attention import Attended, Score, Source, at_least_float32, masked_softmax
from nmt.model.encoder import EncoderOutput
from nmt.model.fast.layers import Linear
from nmt.model.fast.tanh import tanh

_LONG = 4  # windows in a source; for fewer, to gather (and to scatter gradients) takes longer than to score all


@runtime_checkable
class Centre(Protocol):
    """Where a step looks."""

    def __call__(
        self, query: Float[Tensor, "rows hid"], time: Float[Tensor, " rows"], lengths: Int[Tensor, " rows"]
    ) -> Float[Tensor, " rows"]:
        """The aligned position p_t of each row, from 0 for the source's first word.

        Args:
            query: the decoder's states.
            time: number of the step, from 0.
            lengths: of the sources, the end included.
        """
        ...


class MonotonicCentre(nn.Module):
    """p_t = t: source and target run side by side (local-m). Past the source's end it stays there."""

    def forward(
        self, query: Float[Tensor, "rows hid"], time: Float[Tensor, " rows"], lengths: Int[Tensor, " rows"]
    ) -> Float[Tensor, " rows"]:
        """See `Centre`."""
        return torch.minimum(time, lengths - 1)


class PredictiveCentre(nn.Module):
    """p_t = S sigmoid(v_p' tanh(W_p h_t)): equation 9 (local-p); S is the source's length, the end included."""

    def __init__(self, query_size: int) -> None:
        super().__init__()
        self.hidden = Linear(query_size, query_size, bias=False)
        self.place = nn.Linear(query_size, 1, bias=False)  # v_p, which is used as a vector

    def forward(
        self, query: Float[Tensor, "rows hid"], time: Float[Tensor, " rows"], lengths: Int[Tensor, " rows"]
    ) -> Float[Tensor, " rows"]:
        """See `Centre`."""
        share = torch.matmul(tanh(self.hidden(query)), self.place.weight[0])
        return lengths * share.to(at_least_float32(query)).sigmoid()


class LocalAttention(nn.Module):
    """Looks at the window [p_t - D, p_t + D] alone.

    With `gaussian` the weights are multiplied by exp(-(s - p_t)^2 / (2 sigma^2)), sigma = D / 2 (equation 10), and, as
    in the paper, not normalised again. Of a source of many windows keys and memory are gathered first, and what lies
    outside is never scored.
    """

    def __init__(self, score: Score, centre: Centre, width: int, gaussian: bool) -> None:
        """`width` is D."""
        super().__init__()
        self.score = score
        self.centre = centre
        self.width = width
        self.gaussian = gaussian

    def keys(self, encoded: EncoderOutput) -> Float[Tensor, "batch src att"]:
        """See `nmt.model.attention.Attention`: those of the score."""
        return self.score.keys(encoded.memory)

    def start(self, source: Source, query: Float[Tensor, "rows hid"]) -> Float[Tensor, "rows one"]:
        """See `nmt.model.attention.Attention`: the number of the step."""
        return query.new_zeros(len(query), 1, dtype=at_least_float32(query))  # half precision counts to 256

    def forward(self, query: Float[Tensor, "rows hid"], source: Source, seen: Float[Tensor, "rows one"]) -> Attended:
        """See `nmt.model.attention.Attention`."""
        rows_each = len(query) // len(source.mask)
        lengths = source.mask.sum(dim=1).repeat_interleave(rows_each)
        centre = self.centre(query, seen[:, 0], lengths)
        size = source.mask.shape[1]
        if size <= _LONG * (2 * self.width + 1):
            context, weights = self._look(query, source, centre, torch.arange(size, device=query.device)[None])
        else:
            context, weights = self._look_into_window(query, source, centre)
        return Attended(context, weights, seen + 1)

    def _look(
        self,
        query: Float[Tensor, "rows hid"],
        source: Source,
        centre: Float[Tensor, " rows"],
        positions: Int[Tensor, "any width"],
    ) -> tuple[Float[Tensor, "rows enc"], Float[Tensor, "rows width"]]:
        """Attention to a source whose words have these positions, of which some may lie outside the window."""
        batch = len(source.mask)
        distance = (positions - centre[:, None]).reshape(batch, -1, positions.shape[1])
        scores = self.score(query.reshape(batch, -1, query.shape[1]), source.keys)
        scores = scores.masked_fill(distance.abs() > self.width, -torch.inf)
        weights = masked_softmax(scores, source.mask)
        if self.gaussian:
            weights = weights * torch.exp(-2.0 * (distance / self.width) ** 2)  # 2 sigma^2 = D^2 / 2
        context = torch.bmm(weights.to(source.memory.dtype), source.memory)
        return context.flatten(0, 1), weights.flatten(0, 1)

    def _look_into_window(
        self, query: Float[Tensor, "rows hid"], source: Source, centre: Float[Tensor, " rows"]
    ) -> tuple[Float[Tensor, "rows enc"], Float[Tensor, "rows src"]]:
        """The same, where each row has a source of its own: the words of its window."""
        size, window = source.mask.shape[1], 2 * self.width + 1
        first = (centre.detach() - self.width).ceil().long().clamp(0, size - window)
        positions = first[:, None] + torch.arange(window, device=query.device)
        sentences = torch.arange(len(source.mask), device=query.device)
        sentences = sentences.repeat_interleave(len(query) // len(source.mask))[:, None]
        inside = Source(
            source.memory[sentences, positions], source.keys[sentences, positions], source.mask[sentences, positions]
        )
        context, weights = self._look(query, inside, centre, positions)
        return context, weights.new_zeros(len(query), size).scatter(1, positions, weights)
