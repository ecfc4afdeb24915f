"""What turns logits into continuations, and log-probabilities into scores."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.search.types import Choice, Continuations

_GROUP = 64  # neighbours of which `_top` looks at the maximum first
_FEWEST_GROUPS = 64  # for fewer the detour takes longer than it saves


def length_penalty(lengths: Int[Tensor, "*any"], alpha: float) -> Float[Tensor, "*any"]:
    """((5 + length) / 6) ** alpha: Wu et al. 2016, equation 14. `lengths` count the end token."""
    return ((5.0 + lengths) / 6.0) ** alpha


def best_continuations(logits: Float[Tensor, "rows words"], choice: Choice) -> Continuations:
    """The best continuations of each sentence that may come.

    Args:
        logits: of every word that the model chooses from, a row for each hypothesis; they are overwritten. The softmax
            is over all of them, at least in float32.
        choice: which continuations are asked for; its tokens are columns of the logits.

    Returns:
        As many as asked for, or as there are; their tokens are columns of the logits.
    """
    if logits.dtype in (torch.float32, torch.float64):
        log_probs = torch.log_softmax(logits, dim=1, out=logits)
    else:
        log_probs = logits.log_softmax(dim=1, dtype=torch.float32)
    sums = log_probs.view(*choice.sums.shape, -1).add_(choice.sums[:, :, None])
    for banned in choice.banned:
        sums[:, :, banned].fill_(-torch.inf)
    end = sums[:, :, choice.eos]
    if choice.too_short is not None:
        end.masked_fill_(choice.too_short[:, None], -torch.inf)
    if choice.at_limit is not None and choice.at_limit.any():
        ending = end.clone()
        sums.masked_fill_(choice.at_limit[:, None, None], -torch.inf)
        end.copy_(ending)
    words = logits.shape[1]
    best, places = _top(sums.flatten(1), choice.best)
    parents = places // words
    return Continuations(best, parents, places - parents * words)


def _top(values: Float[Tensor, "rows any"], k: int) -> tuple[Float[Tensor, "rows k"], Int[Tensor, "rows k"]]:
    """The same as `values.topk(k)`: the k largest lie in the k groups whose maxima are largest, so few are sorted."""
    groups = values.shape[1] // _GROUP
    if groups < max(2 * k, _FEWEST_GROUPS):
        best, columns = values.topk(min(k, values.shape[1]))
        return best, columns
    grouped = values[:, : groups * _GROUP].view(len(values), groups, _GROUP)
    chosen = grouped.amax(dim=2).topk(k).indices
    inside = torch.arange(_GROUP, device=values.device)
    columns = (chosen[:, :, None] * _GROUP + inside).flatten(1)
    rest = torch.arange(groups * _GROUP, values.shape[1], device=values.device)
    columns = torch.cat([columns, rest.expand(len(values), -1)], dim=1)
    best, places = values.gather(1, columns).topk(k)
    return best, columns.gather(1, places)
