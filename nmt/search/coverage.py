"""Coverage penalty: translations that look at all of the source score higher."""

from dataclasses import dataclass
from typing import Generic

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.search.types import Choice, ModelStep, State, StepModel


@dataclass(frozen=True)
class CoverageState(Generic[State]):
    """The model's state, and how much each hypothesis has looked at each source token.

    Attributes:
        inner: the model's state.
        mask: True for real source tokens.
        looked: the sum of each hypothesis' attention weights.
    """

    inner: State
    mask: Bool[Tensor, "batch src"]
    looked: Float[Tensor, "rows src"]

    def select(self, sentences: Int[Tensor, " kept"], rows: Int[Tensor, " chosen"]) -> "CoverageState[State]":
        """See `nmt.search.types.SearchState`."""
        return CoverageState(self.inner.select(sentences, rows), self.mask[sentences], self.looked[rows])


@dataclass(frozen=True)
class Covering(Generic[State]):
    """A model whose hypotheses are scored by their coverage, too: Wu et al. 2016, equation 14.

    cp(X; Y) = beta * sum_i log(min(sum_j p_ij, 1)), over all source tokens i and target tokens j, the ends included.
    A sum of weights is taken to be at least the smallest positive number, so that cp is finite.

    Attributes:
        model: gives the next words and the attention weights.
        beta: how much coverage counts.
    """

    model: StepModel[State]
    beta: float

    def start(self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]) -> CoverageState[State]:
        """See `StepModel`; nothing has been looked at."""
        mask = torch.arange(src_ids.shape[1], device=src_ids.device) < src_lengths[:, None]
        return CoverageState(self.model.start(src_ids, src_lengths), mask, torch.zeros(mask.shape, device=mask.device))

    def step(
        self, tokens: Int[Tensor, " rows"], state: CoverageState[State], choice: Choice
    ) -> ModelStep[CoverageState[State]]:
        """See `StepModel`.

        Raises:
            ValueError: if the model has no attention.
        """
        step = self.model.step(tokens, state.inner, choice)
        if step.weights is None:
            raise ValueError("a coverage penalty needs attention weights")
        looked = state.looked + step.weights
        smallest = torch.finfo(looked.dtype).tiny
        covered = looked.clamp(smallest, 1.0).log().view(*choice.sums.shape, -1)
        bonus = self.beta * (covered * state.mask[:, None]).sum(dim=2)
        return ModelStep(step.best, CoverageState(step.state, state.mask, looked), step.weights, bonus)
