"""Translations drawn at random, each as often as the model holds it probable."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.errors import UserError
from nmt.search.beam import beam_search
from nmt.search.picking import Drawn
from nmt.search.types import Choice, Histories, Hypothesis, ModelStep, Processor, SearchSettings, State, StepModel

_COLDEST, _HOTTEST = 1e-6, 1e6  # beyond, single precision knows no other temperature


@dataclass(frozen=True)
class Sampling:
    """How to draw.

    Attributes:
        seed: another one draws other translations.
        temperature: log-probabilities are divided by it first; below 1 probable words come more often, above 1 less.
        top_k: draw each word among so many of the most probable ones; None for all.
        first: the number of the first sentence, by which its draws are its own.
    """

    seed: int = 1
    temperature: float = 1.0
    top_k: int | None = None
    first: int = 0

    def __post_init__(self) -> None:
        """Raises a UserError if it is none by which can be drawn."""
        if not _COLDEST <= self.temperature <= _HOTTEST:
            raise UserError(f"temperature {self.temperature:g}: expected one from {_COLDEST:g} to {_HOTTEST:g}")
        if self.top_k is not None and self.top_k < 1:
            raise UserError(f"top_k {self.top_k}: expected at least 1")
        if self.seed < 0:
            raise UserError(f"seed {self.seed}: expected at least 0")


def sample(
    model: StepModel[State],
    src_ids: Int[Tensor, "batch src"],
    src_lengths: Int[Tensor, " batch"],
    settings: SearchSettings,
    n: int,
    numbers: Sequence[int],
    sampling: Sampling,
) -> list[list[Hypothesis]]:
    """Draws translations word by word.

    Args:
        model: reads each source once.
        src_ids: right-padded source ids.
        src_lengths: their lengths.
        settings: bounds of the length, banned tokens, processors, and the length penalty for the scores. What may not
            come leaves its probability to the rest.
        n: translations of each sentence.
        numbers: of the sentences. A sentence's draws depend on its number and the seed, not on the batch or on `n`.
        sampling: how to draw.

    Returns:
        For each sentence `n` translations, in the order drawn; one may come again. Log-probabilities are the model's,
        whatever the temperature.
    """
    src_lengths = src_lengths.repeat_interleave(n)
    steps = (settings.max_length(src_lengths[::n]) + 1).tolist()
    draws = _RandomDraws(_numbers(steps, n, numbers, sampling.seed).to(src_ids.device), sampling)
    shared = tuple(_Shared(process, n) for process in settings.processors)
    settings = replace(settings, beam_size=1, n_best=1, processors=(*shared, draws))
    found = beam_search(_Repeated(model, n), src_ids.repeat_interleave(n, dim=0), src_lengths, settings)
    return [[best for (best,) in found[start : start + n]] for start in range(0, len(found), n)]


def _numbers(steps: Sequence[int], n: int, sentences: Sequence[int], seed: int) -> Float[Tensor, "samples longest"]:
    """Random numbers from [0, 1) for each sentence's samples, one after another, and each of their tokens."""
    numbers = torch.zeros(n * len(steps), max(steps, default=0))
    for place, (length, sentence) in enumerate(zip(steps, sentences, strict=True)):
        drawn = np.random.default_rng([seed, sentence]).random((n, length), dtype=np.float32)
        numbers[place * n : (place + 1) * n, :length] = torch.from_numpy(drawn)
    return numbers


@dataclass(frozen=True)
class _RandomDraws:
    """Asks for a random continuation in place of the best.

    Attributes:
        numbers: for every sentence that is searched and every token of its longest translation.
        sampling: how to draw.
    """

    numbers: Float[Tensor, "batch longest"]
    sampling: Sampling

    def __call__(self, histories: Histories, choice: Choice) -> Choice:
        """See `Processor`."""
        numbers = self.numbers[histories.sentences, histories.tokens.shape[2] - 1]
        return replace(choice, pick=Drawn(numbers, self.sampling.temperature, self.sampling.top_k))


@dataclass(frozen=True)
class _Shared:
    """A processor for sentences that are searched `n` times, which sees each as one and the same."""

    process: Processor
    n: int

    def __call__(self, histories: Histories, choice: Choice) -> Choice:
        """See `Processor`."""
        return self.process(replace(histories, sentences=histories.sentences // self.n), choice)


@dataclass(frozen=True)
class _Repeated(Generic[State]):
    """A model that reads each of `n` equal sources once."""

    model: StepModel[State]
    n: int

    def start(self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]) -> State:
        """See `StepModel`."""
        state = self.model.start(src_ids[:: self.n], src_lengths[:: self.n])
        sources = torch.arange(len(src_ids), device=src_ids.device) // self.n
        repeated: State = state.select(sources, sources)
        return repeated

    def step(self, tokens: Int[Tensor, " rows"], state: State, choice: Choice) -> ModelStep[State]:
        """See `StepModel`."""
        return self.model.step(tokens, state, choice)
