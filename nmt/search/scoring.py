"""What turns logits into continuations, and log-probabilities into scores."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.search.types import Choice

_GROUP = 64  # neighbouring words of which `_top` looks at the maximum first


def length_penalty(lengths: Int[Tensor, "*any"], alpha: float) -> Float[Tensor, "*any"]:
    """((5 + length) / 6) ** alpha: Wu et al. 2016, equation 14. `lengths` count the end token."""
    return ((5.0 + lengths) / 6.0) ** alpha


def best_continuations(
    logits: Float[Tensor, "rows words"], choice: Choice
) -> tuple[Float[Tensor, "rows best"], Int[Tensor, "rows best"]]:
    """The best continuations of each hypothesis that may come, and their log-probabilities, in descending order.

    Args:
        logits: of every word that the model chooses from; they are overwritten. The softmax is over all of them,
            at least in float32.
        choice: which continuations are asked for; its tokens are columns of the logits.

    Returns:
        Log-probabilities, -inf where there are no more that may come, and columns; as many as asked for, or as there
        are words.
    """
    if logits.dtype in (torch.float32, torch.float64):
        log_probs = torch.log_softmax(logits, dim=1, out=logits)
    else:
        log_probs = logits.log_softmax(dim=1, dtype=torch.float32)
    for banned in choice.banned:
        log_probs[:, banned].fill_(-torch.inf)
    end = log_probs[:, choice.eos]
    if choice.too_short is not None:
        end.masked_fill_(choice.too_short, -torch.inf)
    if choice.at_limit is not None and choice.at_limit.any():
        ending = end.clone()
        log_probs.masked_fill_(choice.at_limit[:, None], -torch.inf)
        end.copy_(ending)
    return _top(log_probs, min(choice.best, log_probs.shape[1]))


def _top(values: Float[Tensor, "rows words"], k: int) -> tuple[Float[Tensor, "rows k"], Int[Tensor, "rows k"]]:
    """The same as `values.topk(k)`: the k largest lie in the k groups whose maxima are largest, so few are sorted."""
    groups = values.shape[1] // _GROUP
    if groups <= 2 * k:
        best, columns = values.topk(k)
        return best, columns
    grouped = values[:, : groups * _GROUP].view(len(values), groups, _GROUP)
    chosen = grouped.amax(dim=2).topk(k).indices
    inside = torch.arange(_GROUP, device=values.device)
    columns = (chosen[:, :, None] * _GROUP + inside).flatten(1)
    rest = torch.arange(groups * _GROUP, values.shape[1], device=values.device)
    columns = torch.cat([columns, rest.expand(len(values), -1)], dim=1)
    best, places = values.gather(1, columns).topk(k)
    return best, columns.gather(1, places)
