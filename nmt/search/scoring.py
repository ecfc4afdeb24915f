"""What turns logits into continuations, and log-probabilities into scores."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.search.types import Choice, Continuations, ModelStep


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
    best, places = _pick(sums, choice)
    words = logits.shape[1]
    parents = places // words
    return Continuations(best, parents, places - parents * words)


def _restrict(sums: Float[Tensor, "batch beam words"], choice: Choice) -> None:
    """Sets what may not come to -inf."""
    if choice.forced is None:
        _ban(sums, choice)
        return
    rows = (choice.forced >= 0).nonzero()[:, 0]
    tokens = choice.forced[rows]
    forced = sums[rows, :, tokens]
    _ban(sums, choice)
    sums[rows] = -torch.inf
    sums[rows, :, tokens] = forced


def _ban(sums: Float[Tensor, "batch beam words"], choice: Choice) -> None:
    for banned in choice.banned:
        sums[:, :, banned].fill_(-torch.inf)
    if choice.too_short is not None:
        sums[:, :, choice.eos].masked_fill_(choice.too_short[:, None], -torch.inf)


def _pick(
    sums: Float[Tensor, "batch beam words"], choice: Choice
) -> tuple[Float[Tensor, "batch best"], Int[Tensor, "batch best"]]:
    """What is picked with its bias; its own sums, and their places."""
    if not choice.bias and choice.handicap is None:
        return choice.pick(sums.flatten(1))
    biased = sums.clone() if choice.handicap is None else sums + choice.handicap[:, :, None]
    for bias in choice.bias:
        places = (bias.sentences, bias.hypotheses, bias.tokens)
        biased.index_put_(places, bias.values.to(sums.dtype), accumulate=True)
    best, picked = choice.pick(biased.flatten(1))
    return sums.flatten(1).gather(1, picked).masked_fill(best == -torch.inf, -torch.inf), picked
