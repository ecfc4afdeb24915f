"""Attention of the decoder to its own past: Paulus et al. 2018 (A Deep Reinforced Model for Abstractive Summarization).

What has been written is looked at, so that a long output need not repeat itself.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmt.model.attention import at_least_float32
from nmt.model.fast.layers import Linear


class IntraAttention(nn.Module):
    """c_t = sum of a_tt' h_t' over the steps t' before t, a_t = softmax(h_t W h_t'): section 2.2, equations 6 to 8.

    At the first step nothing is seen.
    """

    def __init__(self, size: int) -> None:
        """`size` is that of the decoder's states."""
        super().__init__()
        self.query = Linear(size, size, bias=False)

    def forward(
        self, state: Float[Tensor, "rows hid"], past: Float[Tensor, "rows steps hid"]
    ) -> Float[Tensor, "rows hid"]:
        """What a state sees of those before it; zeros if there are none."""
        scores = torch.bmm(past, self.query(state)[:, :, None])[:, :, 0]
        weights = scores.to(at_least_float32(scores)).softmax(dim=1)
        return torch.bmm(weights[:, None].to(past.dtype), past)[:, 0]
