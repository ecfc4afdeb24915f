"""What the search needs from a model and what it gives: no network class, no text, no files."""

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor


@runtime_checkable
class SearchState(Protocol):
    """A model's state for `rows` = batch * beam hypotheses; the search only selects from it."""

    def select(self, sentences: Int[Tensor, " kept"], rows: Int[Tensor, " chosen"]) -> Any:
        """The same kind of state for some of its sentences, in ascending order, and as many rows for each of them."""
        ...


State = TypeVar("State", bound=SearchState)


@dataclass(frozen=True)
class ModelStep(Generic[State]):
    """One step of a model: log-probabilities of the next token, and the state after the step."""

    log_probs: Float[Tensor, "rows vocab"]
    state: State


@runtime_checkable
class StepModel(Protocol[State]):
    """A model as the search sees it: a network, an ensemble, or a table of probabilities in a test."""

    def start(self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]) -> State:
        """Reads the sources; the state has one row per sentence."""
        ...

    def step(self, tokens: Int[Tensor, " rows"], state: State) -> ModelStep[State]:
        """Reads one token per row and predicts the next."""
        ...


@dataclass(frozen=True)
class SearchSettings:
    """How to search.

    Attributes:
        bos: token that begins a target.
        eos: token that ends it.
        banned: tokens that are never produced.
        beam_size: hypotheses per sentence.
        n_best: how many of them to return, at most `beam_size`.
        length_penalty: alpha of `nmt.search.scoring.length_penalty`.
        max_length_ratio: with `max_length_extra`, bounds the tokens of a translation by those of its source.
        max_length_extra: see `max_length`.
        min_length_ratio: see `min_length`.
    """

    bos: int
    eos: int
    banned: tuple[int, ...] = ()
    beam_size: int = 5
    n_best: int = 1
    length_penalty: float = 1.0
    max_length_ratio: float = 2.0
    max_length_extra: int = 20
    min_length_ratio: float = 0.0

    def max_length(self, src_lengths: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """Most tokens of a translation, the end not counted."""
        return torch.floor(self.max_length_ratio * src_lengths).long() + self.max_length_extra

    def min_length(self, src_lengths: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """Fewest tokens of a translation, the end not counted; never more than `max_length`."""
        shortest = torch.ceil(self.min_length_ratio * src_lengths).long()
        return torch.minimum(shortest, self.max_length(src_lengths))


@dataclass(frozen=True)
class Hypothesis:
    """A finished translation.

    Attributes:
        tokens: ids, without begin and end.
        log_prob: natural logarithm of the probability of the tokens and the end.
        score: `log_prob` divided by the length penalty; what hypotheses are ordered by.
    """

    tokens: list[int]
    log_prob: float
    score: float
