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
    logits: Float[Tensor, "rows words"], choice: Choice, words: Int[Tensor, " words"] | None = None
) -> tuple[Float[Tensor, "rows best"], Int[Tensor, "rows best"]]:
    """The best continuations of each hypothesis that may come, and their log-probabilities, in descending order.

    Args:
        logits: of every word that the model chooses from; they are overwritten. The softmax is over all of them,
            at least in float32.
        choice: which continuations are asked for.
        words: the token of each column; None for the whole vocabulary.

    Returns:
        Log-probabilities, -inf where there are no more that may come, and tokens; as many as asked for, or as there are
        words.
    """
    if logits.dtype in (torch.float32, torch.float64):
        log_probs = torch.log_softmax(logits, dim=1, out=logits)
    else:
        log_probs = logits.log_softmax(dim=1, dtype=torch.float32)
    banned = list(choice.banned)
    end: int | Tensor = choice.eos
    if words is not None:
        banned = [column for token in banned for column in _columns(words, token)]
        (end,) = _columns(words, choice.eos)
    log_probs[:, banned] = -torch.inf
    if choice.too_short is not None:
        log_probs[:, end].masked_fill_(choice.too_short, -torch.inf)
    if choice.at_limit is not None and choice.at_limit.any():
        ending = log_probs[:, end].clone()
        log_probs.masked_fill_(choice.at_limit[:, None], -torch.inf)[:, end] = ending
    best, columns = _top(log_probs, min(choice.best, log_probs.shape[1]))
    return best, columns if words is None else words[columns]


def _columns(words: Int[Tensor, " words"], token: int) -> list[int]:
    columns: list[int] = (words == token).nonzero()[:, 0].tolist()
    return columns


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
