"""Which search finds what is asked for."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Int
from torch import Tensor

from nmt.search.beam import beam_search
from nmt.search.constrained import constrained_search
from nmt.search.coverage import Covering
from nmt.search.diverse import diverse_search
from nmt.search.greedy import greedy_search
from nmt.search.types import Hypothesis, SearchSettings, StepModel


def search(
    model: StepModel[Any],
    src_ids: Int[Tensor, "batch src"],
    src_lengths: Int[Tensor, " batch"],
    settings: SearchSettings,
    phrases: Sequence[Sequence[Sequence[int]]] | None = None,
) -> list[list[Hypothesis]]:
    """Translates a batch.

    Args:
        model: translates.
        src_ids: right-padded source ids.
        src_lengths: their lengths.
        settings: how to search.
        phrases: for each sentence the tokens of the phrases that must occur; None for none at all.

    Returns:
        For each sentence, in order, its `n_best` best hypotheses (fewer if there are no more), best first.
    """
    if phrases is not None:
        return constrained_search(scored_as_asked(model, settings), src_ids, src_lengths, settings, phrases)
    if settings.beam_size == 1 and not settings.processors and not settings.coverage_penalty:
        return [[best] for best in greedy_search(model, src_ids, src_lengths, settings)]
    find = diverse_search if settings.diversity_groups > 1 else beam_search
    return find(scored_as_asked(model, settings), src_ids, src_lengths, settings)


def scored_as_asked(model: StepModel[Any], settings: SearchSettings) -> StepModel[Any]:
    """The model, or one around it that adds to its scores what the settings ask for."""
    beta, kind = settings.coverage_penalty, settings.coverage_penalty_type
    return Covering(model, beta, kind) if beta else model
