"""Attention that knows what it has looked at: Tu et al. 2016 (Modeling Coverage for Neural Machine Translation).

That of See et al. 2017 is simpler, and made of the same parts.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from nmt.model.attention import AdditiveScore, Attended, Source, at_least_float32, masked_softmax
from nmt.model.encoder import EncoderOutput
from nmt.model.fast.layers import Linear
from nmt.model.fast.tanh import tanh, tanh_in_place


class LinguisticCoverage(nn.Module):
    """The share of each source word that is translated (section 3.1, linguistic).

    C_ij = C_(i-1)j + a_ij / Phi_j, where the fertility Phi_j = N sigmoid(U_f h_j) is how many words a source word
    becomes, N at the most.
    """

    size = 1

    def __init__(self, memory_size: int, most: float = 2.0) -> None:
        """`most` is N."""
        super().__init__()
        self.fertility = Linear(memory_size, 1, bias=False)
        self.most = most

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src one"]:
        """The fertility of each source word."""
        return self.most * torch.sigmoid(self.fertility(memory))

    def forward(
        self,
        before: Float[Tensor, "batch beam src one"],
        weights: Float[Tensor, "batch beam src"],
        query: Float[Tensor, "batch beam hid"],
        keys: Float[Tensor, "batch src one"],
    ) -> Float[Tensor, "batch beam src one"]:
        """The coverage after a step with these weights."""
        return before + weights[..., None] / keys[:, None]


class SumCoverage(nn.Module):
    """How much each source word has been looked at, c^t: the sum of its weights (See et al. 2017, equation 10)."""

    size = 1

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src nothing"]:
        """Nothing: it does not depend on the source words."""
        return memory[:, :, :0]

    def forward(
        self,
        before: Float[Tensor, "batch beam src one"],
        weights: Float[Tensor, "batch beam src"],
        query: Float[Tensor, "batch beam hid"],
        keys: Float[Tensor, "batch src nothing"],
    ) -> Float[Tensor, "batch beam src one"]:
        """The coverage after a step with these weights."""
        return before + weights[..., None]


class NeuralCoverage(nn.Module):
    """Coverage as a gated recurrent unit of each source word (section 3.1, by a neural network).

    C_ij = f(C_(i-1)j, a_ij, h_j, t_(i-1)), with torch's placement of the reset gate.
    """

    def __init__(self, query_size: int, memory_size: int, size: int = 10) -> None:
        """`size` is d, the paper's best 10."""
        super().__init__()
        self.size = size
        self.memory = Linear(memory_size, 3 * size)
        self.query = Linear(query_size, 3 * size, bias=False)
        self.weight = nn.Linear(1, 3 * size, bias=False)
        self.recurrent = Linear(size, 3 * size, bias=False)

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src gates"]:
        """What the source words add to the gates."""
        keys: Tensor = self.memory(memory)
        return keys

    def forward(
        self,
        before: Float[Tensor, "batch beam src size"],
        weights: Float[Tensor, "batch beam src"],
        query: Float[Tensor, "batch beam hid"],
        keys: Float[Tensor, "batch src gates"],
    ) -> Float[Tensor, "batch beam src size"]:
        """The coverage after a step with these weights."""
        read = keys[:, None] + self.query(query)[:, :, None] + self.weight(weights[..., None])
        past = self.recurrent(before)
        gates = (read + past)[..., : 2 * self.size].sigmoid()
        update, reset = gates.chunk(2, dim=-1)
        new = tanh(read[..., 2 * self.size :] + reset * past[..., 2 * self.size :])
        after: Tensor = new + update * (before - new)
        return after


class CoverageAttention(nn.Module):
    """Additive attention whose score also reads the coverage of each source word.

    e_ij = v' tanh(W_a t_(i-1) + U_a h_j + V_a C_(i-1)j) (section 3.1). With the sum of the weights it is equation 11 of
    See et al. 2017. Switched off, which a checkpoint keeps, it is the additive attention without coverage.
    """

    on: Bool[Tensor, ""]

    def __init__(self, score: AdditiveScore, coverage: LinguisticCoverage | NeuralCoverage | SumCoverage) -> None:
        super().__init__()
        self.score = score
        self.coverage = coverage
        self.size = score.query.out_features
        self.covered = Linear(coverage.size, self.size, bias=False)
        self.register_buffer("on", torch.tensor(True))

    def keys(self, encoded: EncoderOutput) -> Float[Tensor, "batch src both"]:
        """See `nmt.model.attention.Attention`: those of the score, then those of the coverage."""
        return torch.cat([self.score.keys(encoded.memory), self.coverage.keys(encoded.memory)], dim=2)

    def start(self, source: Source, query: Float[Tensor, "rows hid"]) -> Float[Tensor, "rows src size"]:
        """See `nmt.model.attention.Attention`: nothing is covered."""
        places = len(query), source.mask.shape[1], self.coverage.size
        return query.new_zeros(places, dtype=at_least_float32(query))  # it adds up

    def forward(
        self, query: Float[Tensor, "rows hid"], source: Source, seen: Float[Tensor, "rows src size"]
    ) -> Attended:
        """See `nmt.model.attention.Attention`."""
        batch, size = len(source.mask), self.size
        queries, before = query.reshape(batch, -1, query.shape[1]), seen.reshape(batch, -1, *seen.shape[1:])
        keys, of_coverage = source.keys[..., :size], source.keys[..., size:]
        # In one piece of memory: it is the largest of a step, and each step's is kept for the gradient.
        hidden = self.score.query(queries)[:, :, None] + keys[:, None]
        hidden = tanh_in_place(hidden.add_(self.covered(before * self.on)))  # 0 where it is off, and so the gradient
        weights = masked_softmax(torch.matmul(hidden, self.score.score.weight[0]), source.mask)
        after = self.coverage(before, weights.to(before.dtype), queries, of_coverage)
        context = torch.bmm(weights.to(source.memory.dtype), source.memory)
        return Attended(context.flatten(0, 1), weights.flatten(0, 1), after.flatten(0, 1))


def switch_coverage(network: nn.Module, on: bool) -> None:
    """Has the coverage of a network's attention, if it has any, count from now on, or not."""
    for part in network.modules():
        if isinstance(part, CoverageAttention):
            part.on.fill_(on)
