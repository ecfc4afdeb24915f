"""Coverage penalties: what a hypothesis has looked at, too little or too often, counts in its score."""

from dataclasses import dataclass, replace
from typing import Generic, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.search.types import Choice, ModelStep, State, StepModel


@dataclass(frozen=True)
class CoverageState(Generic[State]):
    """The model's state, and how much each hypothesis has looked at each source token.

    Attributes:
        inner: the model's state.
        lengths: of the sources, the ends included.
        looked: the sum of each hypothesis' attention weights.
    """

    inner: State
    lengths: Int[Tensor, " batch"]
    looked: Float[Tensor, "rows src"]

    def select(self, sentences: Int[Tensor, " kept"], rows: Int[Tensor, " chosen"]) -> "CoverageState[State]":
        """See `nmt.search.types.SearchState`."""
        return CoverageState(self.inner.select(sentences, rows), self.lengths[sentences], self.looked[rows])


@dataclass(frozen=True)
class Covering(Generic[State]):
    """A model whose hypotheses are scored by their coverage, too: beta times a penalty is taken from their scores.

    `wu`, as a hypothesis may still look at what it has not yet, counts at its end alone. `summary` never falls, so it
    counts at every step: by it, as far as it goes before the step, the continuations are chosen, too.

    Attributes:
        model: gives the next words and the attention weights.
        beta: how much coverage counts.
        kind: the penalty, `overlooked` or `repeated`.
    """

    model: StepModel[State]
    beta: float
    kind: Literal["wu", "summary"] = "wu"

    def start(self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]) -> CoverageState[State]:
        """See `StepModel`; nothing has been looked at."""
        nothing = torch.zeros(src_ids.shape, device=src_ids.device)
        return CoverageState(self.model.start(src_ids, src_lengths), src_lengths, nothing)

    def step(
        self, tokens: Int[Tensor, " rows"], state: CoverageState[State], choice: Choice
    ) -> ModelStep[CoverageState[State]]:
        """See `StepModel`.

        Raises:
            ValueError: if the model has no attention.
        """
        if self.kind == "summary":
            choice = replace(choice, handicap=self._bonus(state.looked, state.lengths))
        step = self.model.step(tokens, state.inner, choice)
        if step.weights is None:
            raise ValueError("a coverage penalty needs attention weights")
        looked = state.looked + step.weights
        after = CoverageState(step.state, state.lengths, looked)
        return ModelStep(step.best, after, step.weights, self._bonus(looked, state.lengths))

    def _bonus(self, looked: Float[Tensor, "rows src"], lengths: Int[Tensor, " batch"]) -> Float[Tensor, "batch beam"]:
        """What is added to the scores, at most 0."""
        penalty = overlooked if self.kind == "wu" else repeated
        return -self.beta * penalty(looked.view(len(lengths), -1, looked.shape[1]), lengths)


def overlooked(looked: Float[Tensor, "batch beam src"], lengths: Int[Tensor, " batch"]) -> Float[Tensor, "batch beam"]:
    """-sum_i log(min(sum_j p_ij, 1)), over all source tokens i and target tokens j, the ends included.

    Wu et al. 2016, equation 14. A sum of weights is taken to be at least the smallest positive number, so that the
    penalty is finite.
    """
    smallest = torch.finfo(looked.dtype).tiny
    return -(looked.clamp(smallest, 1.0).log() * _first(lengths, looked)).sum(dim=2)


def repeated(looked: Float[Tensor, "batch beam src"], lengths: Int[Tensor, " batch"]) -> Float[Tensor, "batch beam"]:
    """sum_i max(sum_j p_ij, 1) - n, over the n words i of the source.

    Gehrmann et al. 2018 (Bottom-Up Abstractive Summarization), and `summary` of OpenNMT-py. The end of the source,
    which theirs have not, is no word: whatever looks there again and again repeats nothing.
    """
    return ((looked - 1.0).clamp(min=0.0) * _first(lengths - 1, looked)).sum(dim=2)


def _first(lengths: Int[Tensor, " batch"], looked: Float[Tensor, "batch beam src"]) -> Bool[Tensor, "batch 1 src"]:
    """True for so many of the first source tokens."""
    return torch.arange(looked.shape[2], device=looked.device) < lengths[:, None, None]
