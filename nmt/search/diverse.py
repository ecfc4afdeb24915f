"""Diverse beam search: groups of hypotheses, each of which keeps away from the words of those before it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic

import torch
from jaxtyping import Int
from torch import Tensor

from nmt.search.beam import beam_search
from nmt.search.types import Bias, Choice, Histories, Hypothesis, ModelStep, SearchSettings, State, StepModel


@torch.inference_mode()
def diverse_search(
    model: StepModel[State],
    src_ids: Int[Tensor, "batch src"],
    src_lengths: Int[Tensor, " batch"],
    settings: SearchSettings,
) -> list[list[Hypothesis]]:
    """Translates a batch: Vijayakumar et al. 2018, algorithm 1, with Hamming diversity.

    At each step a group chooses its continuations by their log-probability less `diversity_penalty` times the number of
    open hypotheses of earlier groups that have the same word at this place. A group depends on those before it alone,
    so they are searched one after another; with one group this is beam search. The penalty decides what is chosen at
    its step and is in no score.

    Args:
        model: translates.
        src_ids: right-padded source ids.
        src_lengths: their lengths.
        settings: of which each of the `diversity_groups` has an equal share of the beam.

    Returns:
        For each sentence, in order, the `n_best` best different hypotheses of all groups, best first.
    """
    share = settings.beam_size // settings.diversity_groups
    groups: list[_Group] = []
    found: list[dict[tuple[int, ...], Hypothesis]] = [{} for _ in src_ids]
    begun = _Begun(model, model.start(src_ids, src_lengths))
    for _ in range(settings.diversity_groups):
        group = _Group(settings.diversity_penalty, tuple(groups))
        # All that a group finds, however many are asked for: what it does must not depend on that.
        own = replace(settings, beam_size=share, n_best=share, processors=(*settings.processors, group))
        for best, hypotheses in zip(found, beam_search(begun, src_ids, src_lengths, own), strict=True):
            best.update((tuple(hypothesis.tokens), hypothesis) for hypothesis in hypotheses)
        groups.append(group)
    return [sorted(best.values(), key=lambda one: -one.score)[: settings.n_best] for best in found]


@dataclass(frozen=True)
class _Begun(Generic[State]):
    """A model that has read the sources of all searches.

    Attributes:
        model: it.
        state: that of the beginning.
    """

    model: StepModel[State]
    state: State

    def start(self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]) -> State:
        """See `StepModel`."""
        return self.state

    def step(self, tokens: Int[Tensor, " rows"], state: State, choice: Choice) -> ModelStep[State]:
        """See `StepModel`."""
        return self.model.step(tokens, state, choice)


@dataclass(frozen=True)
class _Group:
    """The processor of one group.

    Attributes:
        penalty: for each open hypothesis of an earlier group that has the same word at the same place.
        earlier: the groups before it.
        taken: for each place the sentences and the words of this group's open hypotheses.
    """

    penalty: float
    earlier: Sequence["_Group"]
    taken: list[tuple[Int[Tensor, " n"], Int[Tensor, " n"]]] = field(default_factory=list)

    def __call__(self, histories: Histories, choice: Choice) -> Choice:
        """See `nmt.search.types.Processor`."""
        place = histories.tokens.shape[2] - 1
        if place:
            rows, columns = (choice.sums > -torch.inf).nonzero(as_tuple=True)
            self.taken.append((histories.sentences[rows], histories.tokens[rows, columns, -1]))
        taken = [group.taken[place] for group in self.earlier if place < len(group.taken)]
        bias = tuple(self._against(*words, histories, choice) for words in taken)
        return replace(choice, bias=(*choice.bias, *bias))

    def _against(
        self, sentences: Int[Tensor, " n"], words: Int[Tensor, " n"], histories: Histories, choice: Choice
    ) -> Bias:
        """The penalty for these words after all hypotheses of their sentences."""
        taken, rows = (sentences[:, None] == histories.sentences).nonzero(as_tuple=True)
        width = choice.sums.shape[1]
        columns = torch.arange(width, device=rows.device).repeat(len(rows))
        values = torch.full_like(columns, -self.penalty, dtype=choice.sums.dtype)
        return Bias(rows.repeat_interleave(width), columns, words[taken].repeat_interleave(width), values)
