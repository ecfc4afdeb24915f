"""Beam search for translations in which given phrases occur.

Hokamp and Liu 2017 (grid beam search): hypotheses compete only with those that have as many tokens of their phrases. So
a sentence has a bank of `beam_size` places for each number of such tokens, and only the last, where no phrase is
missing, lets translations end. Unlike in the paper, where a hypothesis begins a phrase and has to go on with it, what
it has of its phrases is read off its tokens, as in Post and Vilar 2018 and Hu et al. 2019: a phrase counts however it
came about, and one may be left and begun anew.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from nmt.search.picking import Best
from nmt.search.scoring import final_scores, length_penalty
from nmt.search.types import Bias, Choice, Hypothesis, ModelStep, SearchSettings, StepModel

_FIRST = 1e6  # beyond all log-probabilities: what goes on with a phrase is among the best whatever it costs

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Progress:
    """How far a hypothesis is with its phrases.

    Attributes:
        missing: the phrases that do not yet occur.
        begun: of each of these, how many of its first tokens the hypothesis ends with.
    """

    missing: tuple[Ids, ...]
    begun: tuple[int, ...]

    @classmethod
    def begin(cls, phrases: Sequence[Sequence[int]]) -> "Progress":
        """That of an empty hypothesis. A phrase within another needs no place of its own."""
        different = dict.fromkeys(tuple(phrase) for phrase in phrases if phrase)
        needed = [one for one in different if not any(one != other and _within(one, other) for other in different)]
        return cls(tuple(needed), (0,) * len(needed))

    @property
    def left(self) -> int:
        """The tokens that are still to come at the most, if only the phrases are written, one after another."""
        return sum(map(len, self.missing)) - max(self.begun, default=0)

    @property
    def wanted(self) -> set[int]:
        """The tokens that begin a phrase or go on with it."""
        places = zip(self.missing, self.begun, strict=True)
        return {phrase[place] for phrase, begun in places for place in (0, begun)}

    def after(self, token: int) -> "Progress":
        """That of the hypothesis with one more token."""
        before = zip(self.missing, self.begun, strict=True)
        now = [(phrase, _overlap((*phrase[:begun], token), phrase)) for phrase, begun in before]
        still = [(phrase, begun) for phrase, begun in now if begun < len(phrase)]
        return Progress(tuple(phrase for phrase, _ in still), tuple(begun for _, begun in still))


def _within(one: Ids, other: Ids) -> bool:
    return any(other[start : start + len(one)] == one for start in range(len(other)))


def _overlap(end: Ids, phrase: Ids) -> int:
    """How many tokens of `phrase` the tokens of `end` end with."""
    return next(size for size in range(len(end), -1, -1) if end[len(end) - size :] == phrase[:size])


@dataclass(frozen=True)
class _Open:
    """A hypothesis that goes on.

    Attributes:
        tokens: what it has produced, without begin.
        log_prob: of these.
        progress: how far it is with its phrases.
        row: of the model's state after its last step.
    """

    tokens: list[int]
    log_prob: float
    progress: Progress
    row: int


@dataclass(frozen=True)
class _Candidate:
    """A continuation of a hypothesis.

    Attributes:
        parent: the hypothesis.
        row: of the model's state after this step.
        token: what continues it.
        log_prob: with the token.
        score: that it has if the token ends it.
    """

    parent: _Open
    row: int
    token: int
    log_prob: float
    score: float


@dataclass
class _Grid:
    """The hypotheses of a sentence.

    Attributes:
        number: its place in the batch.
        most: tokens of its longest translation, the end not counted.
        limit: the length penalty of that.
        banks: the open hypotheses, by the number of tokens that they have of their phrases.
        finished: those that have ended.
    """

    number: int
    most: int
    limit: float
    banks: list[list[_Open]]
    finished: list[Hypothesis]

    def take(self, candidates: Sequence[_Candidate], settings: SearchSettings) -> None:
        """The best of each bank go on or end; those that have no room left for their phrases do neither."""
        last = len(self.banks) - 1
        after: list[list[tuple[_Candidate, Progress]]] = [[] for _ in self.banks]
        for one in candidates:
            progress = one.parent.progress.after(one.token)
            if len(one.parent.tokens) + 1 + progress.left <= self.most or one.token == settings.eos:
                after[last - progress.left].append((one, progress))
        self.banks = [[] for _ in self.banks]
        for bank, coming in enumerate(after):
            places = settings.beam_size - (len(self.finished) if bank == last else 0)
            for one, progress in sorted(coming, key=lambda each: -each[0].log_prob)[:places]:
                if one.token == settings.eos:
                    self.finished.append(Hypothesis(one.parent.tokens, one.log_prob, one.score))
                else:
                    self.banks[bank].append(_Open([*one.parent.tokens, one.token], one.log_prob, progress, one.row))

    def goes_on(self, settings: SearchSettings) -> bool:
        """Whether a place is left, and an open hypothesis can still reach the n-th best finished one."""
        scores = sorted((found.score for found in self.finished), reverse=True)
        goal = scores[settings.n_best - 1] if len(scores) >= settings.n_best else -math.inf
        return len(scores) < settings.beam_size and any(
            one.log_prob / self.limit > goal for bank in self.banks for one in bank
        )


@torch.inference_mode()
def constrained_search(
    model: StepModel[Any],
    src_ids: Int[Tensor, "batch src"],
    src_lengths: Int[Tensor, " batch"],
    settings: SearchSettings,
    phrases: Sequence[Sequence[Sequence[int]]],
) -> list[list[Hypothesis]]:
    """Translates a batch; where there are no phrases, as beam search does.

    Args:
        model: translates.
        src_ids: right-padded source ids.
        src_lengths: their lengths.
        settings: how to search; each bank has a beam of its own.
        phrases: for each sentence the tokens of its phrases, none of which is banned.

    Returns:
        For each sentence, in order, its `n_best` best hypotheses (fewer if there are no more), best first. All phrases
        occur in each of them. None where the phrases, one after another, are longer than a translation may be.

    Raises:
        ValueError: if there are processors, with which the phrases could be impossible; or a coverage penalty that
            counts at every step, by which the hypotheses of a bank do not compete.
    """
    if settings.processors or (settings.coverage_penalty and settings.coverage_penalty_type == "summary"):
        raise ValueError("phrases that must occur cannot be had with processors or a penalty at every step")
    grids = _begin(src_lengths, settings, phrases)
    finished = [grid.finished for grid in grids]
    rows = torch.tensor([grid.number for grid in grids for _ in grid.banks], device=src_ids.device)
    state = model.start(src_ids, src_lengths).select(rows, rows)
    for length in count():
        banks = [bank for grid in grids for bank in grid.banks]
        if not banks:
            break
        tokens, choice = _ask(banks, length, src_lengths[rows], settings)
        step = model.step(tokens, state, choice)
        found = iter(_candidates(step, banks, length + 1, settings))
        for grid in grids:
            grid.take([one for _ in grid.banks for one in next(found)], settings)
        kept = [goes_on for grid in grids for goes_on in [grid.goes_on(settings)] * len(grid.banks)]
        grids = [grid for grid in grids if grid.goes_on(settings)]
        chosen = torch.tensor(kept, device=rows.device).nonzero()[:, 0]
        rows = rows[chosen]
        state = step.state.select(chosen, _rows(grids, chosen, choice.sums.shape[1]))
    return [sorted(each, key=lambda one: -one.score)[: settings.n_best] for each in finished]


def _begin(
    src_lengths: Int[Tensor, " batch"], settings: SearchSettings, phrases: Sequence[Sequence[Sequence[int]]]
) -> list[_Grid]:
    longest = settings.max_length(src_lengths)
    limits = length_penalty(longest + 1, settings.length_penalty)
    grids = []
    for number, (most, limit, wanted) in enumerate(zip(longest.tolist(), limits.tolist(), phrases, strict=True)):
        progress = Progress.begin(wanted)
        first = [_Open([], 0.0, progress, number)] if progress.left <= most else []
        grids.append(_Grid(number, most, limit, [first, *([] for _ in range(progress.left))], []))
    return grids


def _ask(
    banks: Sequence[Sequence[_Open]], length: int, src_lengths: Int[Tensor, " banks"], settings: SearchSettings
) -> tuple[Int[Tensor, " rows"], Choice]:
    """The last tokens of the hypotheses, and the choice: all that goes on with a phrase, and the best of the rest."""
    device, width = src_lengths.device, max(1, *map(len, banks))
    last = [[(one.log_prob, (one.tokens or [settings.bos])[-1]) for one in bank] for bank in banks]
    filled = [[*bank, *[(-math.inf, settings.bos)] * (width - len(bank))] for bank in last]
    wanted = [
        (row, column, token)
        for row, bank in enumerate(banks)
        for column, one in enumerate(bank)
        for token in sorted(one.progress.wanted)
    ]
    places = torch.tensor(wanted, dtype=torch.long, device=device).view(-1, 3)
    values = torch.full((len(wanted),), _FIRST, device=device)
    first = Bias(places[:, 0], places[:, 1], places[:, 2], values)
    sums = torch.tensor([[log_prob for log_prob, _ in bank] for bank in filled], device=device)
    choice = settings.choice(length, src_lengths, sums)
    missing = torch.tensor([any(one.progress.missing for one in bank) for bank in banks], device=device)
    too_short = missing if choice.too_short is None else missing | choice.too_short
    pick = Best(settings.beam_size + max(map(_count_wanted, banks)))
    tokens = torch.tensor([token for bank in filled for _, token in bank], device=device)
    return tokens, replace(choice, pick=pick, too_short=too_short, bias=(first,))


def _count_wanted(bank: Sequence[_Open]) -> int:
    return sum(len(one.progress.wanted) for one in bank)


def _candidates(
    step: ModelStep[Any], banks: Sequence[Sequence[_Open]], length: int, settings: SearchSettings
) -> list[list[_Candidate]]:
    """What each bank's hypotheses may become: all that goes on with a phrase, and as many others as it has places."""
    best, width = step.best, max(1, *map(len, banks))
    penalty = length_penalty(torch.tensor(length, device=best.sums.device), settings.length_penalty)
    columns = (best.parents, best.tokens, best.sums, final_scores(best, step, penalty))
    found = zip(*(column.tolist() for column in columns), strict=True)
    candidates = []
    for row, (bank, each) in enumerate(zip(banks, found, strict=True)):
        first = islice(zip(*each, strict=True), _count_wanted(bank) + settings.beam_size)
        candidates.append(
            [
                _Candidate(bank[parent], row * width + parent, token, log_prob, score)
                for parent, token, log_prob, score in first
                if log_prob > -math.inf
            ]
        )
    return candidates


def _rows(grids: Sequence[_Grid], chosen: Int[Tensor, " banks"], width: int) -> Int[Tensor, " rows"]:
    """The rows of the state from which those of the next step come; any of the bank's where there is no hypothesis."""
    banks = [bank for grid in grids for bank in grid.banks]
    most = max(map(len, banks), default=0)
    rows = [
        [*(one.row for one in bank), *[place * width] * (most - len(bank))]
        for place, bank in zip(chosen.tolist(), banks, strict=True)
    ]
    return torch.tensor(rows, dtype=torch.long, device=chosen.device).flatten()
