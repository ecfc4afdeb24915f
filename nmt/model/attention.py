"""Attention: scores, masked softmax, context. One query or many per sentence, so training and search share it."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from nmt.model.fast.layers import Linear
from nmt.model.fast.tanh import tanh


def masked_softmax(
    scores: Float[Tensor, "batch queries src"], mask: Bool[Tensor, "batch src"]
) -> Float[Tensor, "batch queries src"]:
    """Softmax over the real source positions, at least in float32; a row without any gets all zeros, never NaN."""
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    lowest = torch.finfo(scores.dtype).min
    weights = scores.masked_fill(~mask[:, None, :], lowest).softmax(dim=-1)
    return weights * mask[:, None, :]


@runtime_checkable
class Score(Protocol):
    """What an attention adds to the network: how well a query fits each source position."""

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src att"]:
        """What of the score depends on the source alone; computed once per sentence."""
        ...

    def __call__(
        self, query: Float[Tensor, "batch queries hid"], keys: Float[Tensor, "batch src att"]
    ) -> Float[Tensor, "batch queries src"]:
        """The unnormalised scores of each query over the source positions."""
        ...


class AdditiveScore(nn.Module):
    """v' tanh(W_a s + U_a h + b): Bahdanau et al. 2015, appendix A.1.2, and a bias, which the paper has not.

    It is also `concat` of Luong et al. 2015, equation 8: W_a [h_t; h_s] is the sum of the products with the two
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
        hidden = tanh(self.query(query)[:, :, None, :] + keys[:, None, :, :])
        # A product with a vector, not a layer with one output: the same numbers, much faster on a CPU.
        return torch.matmul(hidden, self.score.weight[0])


class DotScore(nn.Module):
    """h_t . h_s: Luong et al. 2015, equation 8, `dot`."""

    def keys(self, memory: Float[Tensor, "batch src enc"]) -> Float[Tensor, "batch src enc"]:
        """The encoder's states themselves."""
        return memory

    def forward(
        self, query: Float[Tensor, "batch queries hid"], keys: Float[Tensor, "batch src hid"]
    ) -> Float[Tensor, "batch queries src"]:
        """The unnormalised scores of each query over the source positions."""
        return torch.bmm(query, keys.transpose(1, 2))


class GeneralScore(nn.Module):
    """h_t' W_a h_s: Luong et al. 2015, equation 8, `general`."""

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
