"""Beam search over a batch of sentences, each of which begins, proceeds and ends as if it were alone.

A sentence has `beam_size` places. At each step the best candidates take the places that are left; a candidate that
ends keeps its place for good, the others go on. With one place this is
greedy search; with enough places it is exhaustive. A sentence leaves the batch when no place is open, or when no open
hypothesis can still reach the score of the n-th best finished one.
"""

from dataclasses import dataclass
from typing import Generic

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.search.scoring import length_penalty
from nmt.search.types import Hypothesis, ModelStep, SearchSettings, State, StepModel


@dataclass(frozen=True)
class _Beams(Generic[State]):
    """The open sentences. `open` is the number of hypotheses kept for each; unused ones have log-prob -inf.

    Attributes:
        sentences: their places in the batch.
        src_lengths: lengths of their sources.
        places: hypotheses each may still keep.
        tokens: what each hypothesis has produced, begin included.
        log_probs: sums of log-probabilities.
        limits: of the length penalty: that of their longest possible translation.
        best: normalised scores of the n best finished hypotheses, descending, -inf where there are fewer.
        state: the model's, one row per hypothesis.
    """

    sentences: Int[Tensor, " batch"]
    src_lengths: Int[Tensor, " batch"]
    places: Int[Tensor, " batch"]
    limits: Float[Tensor, " batch"]
    tokens: Int[Tensor, "batch open length"]
    log_probs: Float[Tensor, "batch open"]
    best: Float[Tensor, "batch n"]
    state: State


@dataclass(frozen=True)
class _Candidates:
    """The best continuations of every sentence, in descending order."""

    log_probs: Float[Tensor, "batch chosen"]
    parents: Int[Tensor, "batch chosen"]
    tokens: Int[Tensor, "batch chosen"]
    ended: Bool[Tensor, "batch chosen"]


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
    beams = _begin(model, src_ids, src_lengths, settings)
    while len(beams.sentences):
        _, width, length = beams.tokens.shape
        choice = settings.choice(length - 1, beams.src_lengths, width)
        step = model.step(beams.tokens[:, :, -1].flatten(), beams.state, choice)
        candidates = _expand(beams, step, settings)
        scores = _scores(candidates, beams.tokens.shape[-1], settings)
        _record(finished, beams, candidates, scores)
        beams = _continue(beams, step.state, candidates, scores, settings)
    return [sorted(hypotheses, key=lambda found: -found.score)[: settings.n_best] for hypotheses in finished]


def _begin(
    model: StepModel[State],
    src_ids: Int[Tensor, "batch src"],
    src_lengths: Int[Tensor, " batch"],
    settings: SearchSettings,
) -> _Beams[State]:
    sentences = torch.arange(len(src_ids), device=src_ids.device)
    return _Beams(
        sentences=sentences,
        src_lengths=src_lengths,
        places=torch.full_like(sentences, settings.beam_size),
        limits=length_penalty(settings.max_length(src_lengths) + 1, settings.length_penalty),
        tokens=torch.full((len(src_ids), 1, 1), settings.bos, device=src_ids.device),
        log_probs=torch.zeros(len(src_ids), 1, device=src_ids.device),
        best=torch.full((len(src_ids), settings.n_best), -torch.inf, device=src_ids.device),
        state=model.start(src_ids, src_lengths),
    )


def _expand(beams: _Beams[State], step: ModelStep[State], settings: SearchSettings) -> _Candidates:
    """The best continuations of each sentence out of those of its hypotheses, as many as it has places left."""
    batch, width, _ = beams.tokens.shape
    sums = (beams.log_probs[:, :, None] + step.log_probs.reshape(batch, width, -1)).flatten(1)
    best, places = sums.topk(min(settings.beam_size, sums.shape[1]))
    rank = torch.arange(best.shape[1], device=best.device)
    best = best.masked_fill(rank >= beams.places[:, None], -torch.inf)
    tokens = step.tokens.reshape(batch, -1).gather(1, places)
    ended = (tokens == settings.eos) & best.isfinite()
    return _Candidates(best, places // step.tokens.shape[1], tokens, ended)


def _scores(candidates: _Candidates, length: int, settings: SearchSettings) -> Float[Tensor, "batch chosen"]:
    """Normalised scores of the candidates that end, -inf for the others; `length` counts the end."""
    penalty = length_penalty(torch.tensor(length), settings.length_penalty).item()
    return (candidates.log_probs / penalty).masked_fill(~candidates.ended, -torch.inf)


def _record(
    finished: list[list[Hypothesis]],
    beams: _Beams[State],
    candidates: _Candidates,
    scores: Float[Tensor, "batch chosen"],
) -> None:
    """Adds the candidates that end to the finished hypotheses of their sentences."""
    rows, columns = candidates.ended.nonzero(as_tuple=True)
    parents = candidates.parents[rows, columns]
    found = zip(
        beams.sentences[rows].tolist(),
        beams.tokens[rows, parents, 1:].tolist(),
        candidates.log_probs[rows, columns].tolist(),
        scores[rows, columns].tolist(),
        strict=True,
    )
    for sentence, *hypothesis in found:
        finished[sentence].append(Hypothesis(*hypothesis))


def _continue(
    beams: _Beams[State],
    state: State,
    candidates: _Candidates,
    scores: Float[Tensor, "batch chosen"],
    settings: SearchSettings,
) -> _Beams[State]:
    """The candidates that do not end, of the sentences that are not done."""
    places = beams.places - candidates.ended.sum(dim=1)
    best = torch.cat([beams.best, scores], dim=1).topk(settings.n_best).values
    ongoing = candidates.log_probs.masked_fill(candidates.ended, -torch.inf)
    # Sums only fall, and the penalty only grows: no hypothesis can end better than its sum at the greatest length.
    reachable = ongoing.amax(dim=1) / beams.limits
    kept = ((places > 0) & reachable.isfinite() & (reachable > best[:, -1])).nonzero()[:, 0]
    width = int(ongoing[kept].isfinite().sum(dim=1).max()) if len(kept) else 0
    log_probs, order = ongoing[kept].topk(width)
    parents = candidates.parents[kept].gather(1, order)
    tokens = candidates.tokens[kept].gather(1, order)
    history = beams.tokens[kept[:, None], parents]
    rows = kept[:, None] * beams.tokens.shape[1] + parents
    return _Beams(
        sentences=beams.sentences[kept],
        src_lengths=beams.src_lengths[kept],
        places=places[kept],
        limits=beams.limits[kept],
        tokens=torch.cat([history, tokens[:, :, None]], dim=2),
        log_probs=log_probs,
        best=best[kept],
        state=state.select(kept, rows.flatten()),
    )
