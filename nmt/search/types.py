"""What the search needs from a model and what it gives: no network class, no text, no files."""

from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.search.picking import Best, Picking


@runtime_checkable
class SearchState(Protocol):
    """A model's state for `rows` = batch * beam hypotheses; the search only selects from it."""

    def select(self, sentences: Int[Tensor, " kept"], rows: Int[Tensor, " chosen"]) -> Any:
        """The same kind of state for some of its sentences, in ascending order, and as many rows for each of them.

        A sentence may be taken more than once where all of them are taken.
        """
        ...


State = TypeVar("State", bound=SearchState)


@dataclass(frozen=True)
class Bias:
    """What is added to some continuations while the best are chosen. Their log-probabilities stay the model's own.

    Each of the `n` entries is for one token after one hypothesis; several for the same add up.

    Attributes:
        sentences: rows of `Choice.sums`.
        hypotheses: columns of it.
        tokens: the continuations.
        values: what is added; -inf for a token that may not come.
    """

    sentences: Int[Tensor, " n"]
    hypotheses: Int[Tensor, " n"]
    tokens: Int[Tensor, " n"]
    values: Float[Tensor, " n"]

    def part(self, sentences: slice) -> "Bias":
        """The same for some of the sentences, which are counted from the first of them."""
        part = self.only((self.sentences >= sentences.start) & (self.sentences < sentences.stop))
        return replace(part, sentences=part.sentences - sentences.start)

    def only(self, chosen: Bool[Tensor, " n"]) -> "Bias":
        """Some of the entries."""
        return Bias(self.sentences[chosen], self.hypotheses[chosen], self.tokens[chosen], self.values[chosen])


@dataclass(frozen=True)
class Choice:
    """Which continuations a search asks for: how they are picked, and which tokens may not be among them.

    Attributes:
        sums: log-probability of each hypothesis so far; -inf for one that is not to go on.
        pick: picks them.
        eos: the token that ends a hypothesis.
        banned: tokens that never come.
        too_short: sentences whose hypotheses may not end yet; None if all may.
        forced: the token that must come next in a sentence, whatever is banned, or -1; None if none must.
        bias: what makes some continuations more or less likely to be picked.
        handicap: the same of all continuations of a hypothesis, at most 0; None for nothing.
    """

    sums: Float[Tensor, "batch beam"]
    pick: Picking
    eos: int
    banned: tuple[int, ...] = ()
    too_short: Bool[Tensor, " batch"] | None = None
    forced: Int[Tensor, " batch"] | None = None
    bias: tuple[Bias, ...] = ()
    handicap: Float[Tensor, "batch beam"] | None = None

    def part(self, sentences: slice) -> "Choice":
        """The same for some of the sentences."""
        if sentences == slice(0, len(self.sums)):
            return self
        return replace(
            self,
            sums=self.sums[sentences],
            pick=self.pick.part(sentences),
            too_short=None if self.too_short is None else self.too_short[sentences],
            forced=None if self.forced is None else self.forced[sentences],
            bias=tuple(bias.part(sentences) for bias in self.bias),
            handicap=None if self.handicap is None else self.handicap[sentences],
        )


@dataclass(frozen=True)
class Histories:
    """The hypotheses that go on, as far as they have come.

    Attributes:
        sentences: the places of their sentences in the batch that is searched; those that are done are missing.
        tokens: what each has produced, begin included.
    """

    sentences: Int[Tensor, " batch"]
    tokens: Int[Tensor, "batch beam length"]


@runtime_checkable
class Processor(Protocol):
    """Changes what a search asks its model for by what the hypotheses hold so far; several follow one another."""

    def __call__(self, histories: Histories, choice: Choice) -> Choice:
        """The choice for the next token of these hypotheses; row by row theirs."""
        ...


@dataclass(frozen=True)
class Continuations:
    """The best continuations of every sentence's hypotheses, those to choose first; fewer if there are no more words.

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
        weights: attention over the source, if the model has any.
        bonus: what is added to the score of each hypothesis that ends now, at most 0; None for nothing.
    """

    best: Continuations
    state: State
    weights: Float[Tensor, "rows src"] | None = None
    bonus: Float[Tensor, "batch beam"] | None = None


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
        min_length_ratio: with `min_length_extra`, the least that a translation has; see `min_length`.
        min_length_extra: see `min_length`.
        processors: what else has a say in each choice, one after another.
        coverage_penalty: beta of `nmt.search.coverage.Covering`; 0 for none.
        coverage_penalty_type: what it punishes; see there.
        diversity_groups: of `nmt.search.diverse.diverse_search`; 1 for beam search.
        diversity_penalty: see there.
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
    min_length_extra: int = 0
    processors: tuple[Processor, ...] = ()
    coverage_penalty: float = 0.0
    coverage_penalty_type: Literal["wu", "summary"] = "wu"
    diversity_groups: int = 1
    diversity_penalty: float = 0.5

    def choice(self, length: int, src_lengths: Int[Tensor, " batch"], sums: Float[Tensor, "batch beam"]) -> Choice:
        """What may follow `length` tokens: the end not before the minimum length, and nothing else at the maximum.

        So every hypothesis ends, and none is cut.

        Args:
            length: tokens of every hypothesis so far.
            src_lengths: of the sentences.
            sums: log-probabilities of their hypotheses.
        """
        too_short = forced = None
        if self.min_length_ratio or self.min_length_extra:
            too_short = length < self.min_length(src_lengths)
        if length >= self.max_length_extra:
            at_limit = length >= self.max_length(src_lengths)
            forced = torch.where(at_limit, self.eos, -1) if at_limit.any() else None
        return Choice(sums, Best(self.beam_size), self.eos, self.banned, too_short, forced)

    def max_length(self, src_lengths: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """Most tokens of a translation, the end not counted."""
        return torch.floor(self.max_length_ratio * src_lengths).long() + self.max_length_extra

    def min_length(self, src_lengths: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """Fewest tokens of a translation, the end not counted; never more than `max_length`."""
        shortest = torch.ceil(self.min_length_ratio * src_lengths).long() + self.min_length_extra
        return torch.minimum(shortest, self.max_length(src_lengths))


@dataclass(frozen=True)
class Hypothesis:
    """A finished translation.

    Attributes:
        tokens: ids, without begin and end.
        log_prob: natural logarithm of the probability of the tokens and the end.
        score: `log_prob` divided by the length penalty, and the coverage penalty; what hypotheses are ordered by.
    """

    tokens: list[int]
    log_prob: float
    score: float
