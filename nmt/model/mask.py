"""Where right-padded sequences have real tokens."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def length_mask(lengths: Int[Tensor, " batch"], size: int) -> Bool[Tensor, "batch src"]:
    """True for each real token of right-padded sequences, False for padding."""
    positions = torch.arange(size, device=lengths.device)
    return positions[None, :] < lengths[:, None]
