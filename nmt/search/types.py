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
        sums: log-probability of each hypothesis so far; -inf for one that is not to go on.
        best: how many continuations of each sentence.
        eos: the token that ends a hypothesis.
        banned: tokens that never come.
        too_short: sentences whose hypotheses may not end yet; None if all may.
        at_limit: sentences whose hypotheses must end; None if none must.
    """

    sums: Float[Tensor, "batch beam"]
    best: int
    eos: int
    banned: tuple[int, ...] = ()
    too_short: Bool[Tensor, " batch"] | None = None
    at_limit: Bool[Tensor, " batch"] | None = None

    def part(self, sentences: slice) -> "Choice":
        """The same for some of the sentences."""
        if sentences == slice(0, len(self.sums)):
            return self
        bounds = (self.too_short, self.at_limit)
        too_short, at_limit = (None if bound is None else bound[sentences] for bound in bounds)
        return replace(self, sums=self.sums[sentences], too_short=too_short, at_limit=at_limit)


@dataclass(frozen=True)
class Continuations:
    """The best continuations of every sentence's hypotheses, in descending order; fewer if there are no more words.

    Attributes:
        sums: log-probabilities of the hypotheses with their continuations; -inf where there are no more that may come.
        parents: which of the sentence's hypotheses are continued.
        tokens: the words that continue them.
    """

    sums: Float[Tensor, "batch best"]
    parents: Int[Tensor, "batch best"]
    tokens: Int[Tensor, "batch best"]


@dataclass(frozen=True)
class ModelStep(Generic[State]):
    """One step of a model: the best continuations of every sentence, and the state after the step.

    Attributes:
        best: the continuations.
        state: the model's, a row for each hypothesis that it was given; the search selects those that go on.
    """

    best: Continuations
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

    def choice(self, length: int, src_lengths: Int[Tensor, " batch"], sums: Float[Tensor, "batch beam"]) -> Choice:
        """What may follow `length` tokens: the end not before the minimum length, and nothing else at the maximum.

        So every hypothesis ends, and none is cut.

        Args:
            length: tokens of every hypothesis so far.
            src_lengths: of the sentences.
            sums: log-probabilities of their hypotheses.
        """
        too_short = at_limit = None
        if self.min_length_ratio:
            too_short = length < self.min_length(src_lengths)
        if length >= self.max_length_extra:
            at_limit = length >= self.max_length(src_lengths)
        return Choice(sums, self.beam_size, self.eos, self.banned, too_short, at_limit)

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
