"""What turns logits into continuations, and log-probabilities into scores."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.search.types import Choice, Continuations, Draws, ModelStep

_GROUP = 64  # neighbours of which `_top` looks at the maximum first
_FEWEST_GROUPS = 64  # for fewer the detour takes longer than it saves


def length_penalty(lengths: Int[Tensor, "*any"], alpha: float) -> Float[Tensor, "*any"]:
    """((5 + length) / 6) ** alpha: Wu et al. 2016, equation 14. `lengths` count the end token."""
    return ((5.0 + lengths) / 6.0) ** alpha


def final_scores(best: Continuations, step: ModelStep[Any], penalty: Float[Tensor, ""]) -> Float[Tensor, "batch best"]:
    """What each continuation would score if it ended its hypothesis; `penalty` is that of its length."""
    scores = best.sums / penalty
    return scores if step.bonus is None else scores + step.bonus.gather(1, best.parents)


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
    _restrict(sums, choice)
    biased = _biased(sums, choice) if choice.bias else sums
    if choice.draws is None:
        best, places = _top(biased.flatten(1), choice.best)
    else:
        best, places = _drawn(biased.flatten(1), choice.draws)
    if biased is not sums:
        best = sums.flatten(1).gather(1, places).masked_fill(best == -torch.inf, -torch.inf)
    words = logits.shape[1]
    parents = places // words
    return Continuations(best, parents, places - parents * words)


def _restrict(sums: Float[Tensor, "batch beam words"], choice: Choice) -> None:
    """Sets what may not come to -inf."""
    forced = rows = None
    if choice.forced is not None:
        rows = (choice.forced >= 0).nonzero()[:, 0]
        forced = sums[rows, :, choice.forced[rows]]
    for banned in choice.banned:
        sums[:, :, banned].fill_(-torch.inf)
    end = sums[:, :, choice.eos]
    if choice.too_short is not None:
        end.masked_fill_(choice.too_short[:, None], -torch.inf)
    if choice.at_limit is not None and choice.at_limit.any():
        ending = end.clone()
        sums.masked_fill_(choice.at_limit[:, None, None], -torch.inf)
        end.copy_(ending)
    if choice.forced is not None and rows is not None and forced is not None:
        sums[rows] = -torch.inf
        sums[rows, :, choice.forced[rows]] = forced


def _biased(sums: Float[Tensor, "batch beam words"], choice: Choice) -> Float[Tensor, "batch beam words"]:
    """What decides between the continuations; a forced one is not biased."""
    biased = sums.clone()
    for bias in choice.bias:
        if choice.forced is not None:
            bias = bias.only(choice.forced[bias.sentences] < 0)  # noqa: PLW2901
        places = (bias.sentences, bias.hypotheses, bias.tokens)
        biased.index_put_(places, bias.values.to(sums.dtype), accumulate=True)
    return biased


def _drawn(sums: Float[Tensor, "batch all"], draws: Draws) -> tuple[Float[Tensor, "batch 1"], Int[Tensor, "batch 1"]]:
    """A random one for each sentence, by the inverse of the cumulated probabilities."""
    kept, places = (sums, None) if draws.top_k is None else _top(sums, draws.top_k)
    shares = (kept / draws.temperature).softmax(dim=1).cumsum(dim=1)
    # The first whose cumulated share is above the number: never one that may not come, whose share is 0.
    drawn = torch.searchsorted(shares, draws.numbers.to(shares.dtype)[:, None] * shares[:, -1:], right=True)
    drawn = drawn if places is None else places.gather(1, drawn)
    return sums.gather(1, drawn), drawn


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
