"""What the search needs from a model and what it gives: no network class, no text, no files."""

from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@runtime_checkable
class SearchState(Protocol):
    """A model's state for `rows` = batch * beam hypotheses; the search only selects from it."""

    def select(self, sentences: Int[Tensor, " kept"], rows: Int[Tensor, " chosen"]) -> Any:
        """The same kind of state for some of its sentences, in ascending order, and as many rows for each of them."""
        ...


State = TypeVar("State", bound=SearchState)


@dataclass(frozen=True)
class Choice:
    """Which continuations a search asks for: how many, and which tokens may not be among them.

    Attributes:
        best: how many of each hypothesis.
        eos: the token that ends a hypothesis.
        banned: tokens that never come.
        too_short: rows that may not end yet; None if all may.
        at_limit: rows that must end; None if none must.
    """

    best: int
    eos: int
    banned: tuple[int, ...] = ()
    too_short: Bool[Tensor, " rows"] | None = None
    at_limit: Bool[Tensor, " rows"] | None = None

    def part(self, rows: slice) -> "Choice":
        """The same for some of the rows."""
        if self.too_short is None and self.at_limit is None:
            return self
        bounds = (self.too_short, self.at_limit)
        too_short, at_limit = (None if bound is None else bound[rows] for bound in bounds)
        return replace(self, too_short=too_short, at_limit=at_limit)


@dataclass(frozen=True)
class ModelStep(Generic[State]):
    """One step of a model: the best continuations of every hypothesis, and the state after the step.

    Attributes:
        log_probs: of the continuations, in descending order; -inf where there are no more that may come.
        tokens: which they are.
        state: the model's.
    """

    log_probs: Float[Tensor, "rows best"]
    tokens: Int[Tensor, "rows best"]
    state: State


@runtime_checkable
class StepModel(Protocol[State]):
    """A model as the search sees it: a network, an ensemble, or a table of probabilities in a test."""

    def start(self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]) -> State:
        """Reads the sources; the state has one row per sentence."""
        ...

    def step(self, tokens: Int[Tensor, " rows"], state: State, choice: Choice) -> ModelStep[State]:
        """Reads one token per row and predicts the next; `nmt.search.scoring.best_continuations` makes the choice."""
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

    def choice(self, length: int, src_lengths: Int[Tensor, " batch"], width: int = 1) -> Choice:
        """What may follow `length` tokens: the end not before the minimum length, and nothing else at the maximum.

        So every hypothesis ends, and none is cut.

        Args:
            length: tokens of every hypothesis so far.
            src_lengths: of the sentences.
            width: hypotheses of each sentence.
        """
        too_short = at_limit = None
        if self.min_length_ratio:
            too_short = (length < self.min_length(src_lengths)).repeat_interleave(width)
        if length >= self.max_length_extra:
            at_limit = (length >= self.max_length(src_lengths)).repeat_interleave(width)
        return Choice(self.beam_size, self.eos, self.banned, too_short, at_limit)

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
