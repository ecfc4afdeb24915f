"""Beam search over a batch of sentences, each of which begins, proceeds and ends as if it were alone.

A sentence has `beam_size` places. At each step the best continuations of its hypotheses take the places that are left;
one that ends keeps its place for good, the others go on. With one place this is greedy search; with enough places it is
exhaustive. A sentence leaves the batch when no place is open, or when no open hypothesis can still reach the score of
the n-th best finished one.
"""

from dataclasses import dataclass, replace
from typing import Generic

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.search.scoring import final_scores, length_penalty
from nmt.search.types import Continuations, Histories, Hypothesis, SearchSettings, State, StepModel


@dataclass(frozen=True)
class _Beams(Generic[State]):
    """The open sentences. `open` is the number of hypotheses kept for each; unused ones have log-prob -inf.

    Attributes:
        sentences: their places in the batch.
        src_lengths: lengths of their sources.
        places: hypotheses each may still keep.
        limits: of the length penalty: that of their longest possible translation.
        tokens: what each hypothesis has produced, begin included.
        sums: of their log-probabilities.
        finished: normalised scores of the n best finished hypotheses, descending, -inf where there are fewer.
        state: the model's, one row per hypothesis.
    """

    sentences: Int[Tensor, " batch"]
    src_lengths: Int[Tensor, " batch"]
    places: Int[Tensor, " batch"]
    limits: Float[Tensor, " batch"]
    tokens: Int[Tensor, "batch open length"]
    sums: Float[Tensor, "batch open"]
    finished: Float[Tensor, "batch n"]
    state: State


@torch.inference_mode()
def beam_search(
    model: StepModel[State],
    src_ids: Int[Tensor, "batch src"],
    src_lengths: Int[Tensor, " batch"],
    settings: SearchSettings,
) -> list[list[Hypothesis]]:
    """Translates a batch.

    Returns:
        For each sentence, in order, its `n_best` best hypotheses (fewer if there are no more), best first.
    """
    finished: list[list[Hypothesis]] = [[] for _ in src_ids]
    longest = int(settings.max_length(src_lengths).max()) + 1  # the end counts
    penalties = length_penalty(torch.arange(longest + 1, device=src_ids.device), settings.length_penalty)
    beams = _begin(model, src_ids, src_lengths, settings, penalties)
    while len(beams.sentences):
        length = beams.tokens.shape[2]
        choice = settings.choice(length - 1, beams.src_lengths, beams.sums)
        for process in settings.processors:
            choice = process(Histories(beams.sentences, beams.tokens), choice)
        step = model.step(beams.tokens[:, :, -1].flatten(), beams.state, choice)
        best = _within_places(step.best, beams.places)
        scores = final_scores(best, step, penalties[length]).masked_fill(best.tokens != settings.eos, -torch.inf)
        _record(finished, beams, best, scores)
        beams = _continue(beams, step.state, best, scores)
    return [sorted(hypotheses, key=lambda found: -found.score)[: settings.n_best] for hypotheses in finished]


def _begin(
    model: StepModel[State],
    src_ids: Int[Tensor, "batch src"],
    src_lengths: Int[Tensor, " batch"],
    settings: SearchSettings,
    penalties: Float[Tensor, " lengths"],
) -> _Beams[State]:
    sentences = torch.arange(len(src_ids), device=src_ids.device)
    return _Beams(
        sentences=sentences,
        src_lengths=src_lengths,
        places=torch.full_like(sentences, settings.beam_size),
        limits=penalties[settings.max_length(src_lengths) + 1],
        tokens=torch.full((len(src_ids), 1, 1), settings.bos, device=src_ids.device),
        sums=torch.zeros(len(src_ids), 1, device=src_ids.device),
        finished=torch.full((len(src_ids), settings.n_best), -torch.inf, device=src_ids.device),
        state=model.start(src_ids, src_lengths),
    )


def _within_places(best: Continuations, places: Int[Tensor, " batch"]) -> Continuations:
    """As many for each sentence as it has places left; the others are not to go on."""
    rank = torch.arange(best.sums.shape[1], device=places.device)
    return replace(best, sums=best.sums.masked_fill(rank >= places[:, None], -torch.inf))


def _record(
    finished: list[list[Hypothesis]],
    beams: _Beams[State],
    best: Continuations,
    scores: Float[Tensor, "batch best"],
) -> None:
    """Adds the continuations that end, which have a finite score, to the finished hypotheses of their sentences."""
    rows, columns = (scores > -torch.inf).nonzero(as_tuple=True)
    if not len(rows):
        return
    found = zip(
        beams.sentences[rows].tolist(),
        beams.tokens[rows, best.parents[rows, columns], 1:].tolist(),
        best.sums[rows, columns].tolist(),
        scores[rows, columns].tolist(),
        strict=True,
    )
    for sentence, *hypothesis in found:
        finished[sentence].append(Hypothesis(*hypothesis))


def _continue(
    beams: _Beams[State], state: State, best: Continuations, scores: Float[Tensor, "batch best"]
) -> _Beams[State]:
    """The continuations that do not end, of the sentences that are not done."""
    ended = scores > -torch.inf
    places, finished, ongoing = beams.places, beams.finished, best.sums
    if ended.any():
        places = places - ended.sum(dim=1)
        finished = torch.cat([finished, scores], dim=1).topk(finished.shape[1]).values
        ongoing = ongoing.masked_fill(ended, -torch.inf)
    # Sums only fall, the penalty only grows, and a bonus is at most 0: no hypothesis can end better than its sum at the
    # greatest length.
    reachable = ongoing.amax(dim=1) / beams.limits
    kept = ((places > 0) & (reachable > finished[:, -1])).nonzero()[:, 0]
    few = slice(None) if len(kept) == len(ongoing) else kept  # all of them need not be copied
    ongoing = ongoing[few]
    width = int((ongoing > -torch.inf).sum(dim=1).max()) if len(kept) else 0
    sums, order = ongoing.topk(width)
    parents = best.parents[few].gather(1, order)
    tokens = best.tokens[few].gather(1, order)
    history = beams.tokens[kept[:, None], parents]
    rows = kept[:, None] * beams.tokens.shape[1] + parents
    return _Beams(
        sentences=beams.sentences[few],
        src_lengths=beams.src_lengths[few],
        places=places[few],
        limits=beams.limits[few],
        tokens=torch.cat([history, tokens[:, :, None]], dim=2),
        sums=sums,
        finished=finished[few],
        state=state.select(kept, rows.flatten()),
    )
