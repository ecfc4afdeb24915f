"""What turns log-probabilities into scores, and which tokens may come next."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.search.types import SearchSettings


def length_penalty(lengths: Int[Tensor, "*any"], alpha: float) -> Float[Tensor, "*any"]:
    """((5 + length) / 6) ** alpha: Wu et al. 2016, equation 14. `lengths` count the end token."""
    return ((5.0 + lengths) / 6.0) ** alpha


def allowed_log_probs(
    log_probs: Float[Tensor, "batch beam vocab"],
    length: int,
    src_lengths: Int[Tensor, " batch"],
    settings: SearchSettings,
) -> Float[Tensor, "batch beam vocab"]:
    """Minus infinity for tokens that may not follow `length` tokens.

    These are the banned ones, the end before the minimum length, and all but the end at the maximum length, so that
    every hypothesis ends and none is cut.
    """
    too_short = length < settings.min_length(src_lengths)
    at_limit = length >= settings.max_length(src_lengths)
    is_end = torch.arange(log_probs.shape[-1], device=log_probs.device) == settings.eos
    forbidden = torch.where(is_end, too_short[:, None], at_limit[:, None])  # [batch vocab]
    forbidden[:, list(settings.banned)] = True
    return log_probs.masked_fill(forbidden[:, None, :], -torch.inf)
