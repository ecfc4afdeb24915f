"""The coverage penalties, against the papers' equations over tables of probabilities and of attention weights."""

import math
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor

from nmt.search.beam import beam_search
from nmt.search.search import search
from nmt.search.types import Choice, Hypothesis, ModelStep, SearchSettings
from tests.helpers import (
    Ids,
    TableModel,
    TableState,
    all_hypotheses,
    assert_same_hypotheses,
    hashed_table,
    numpy_softmax,
    slow_beam,
    source_batch,
)

BOS, EOS, VOCAB = 0, 1, 4
SOURCES: list[Ids] = [(2,), (3, 2, 3), (3, 3), (2, 3), (2, 2, 3), (3, 3, 2)]
SETTINGS = SearchSettings(BOS, EOS, banned=(BOS,), max_length_ratio=1.0, max_length_extra=2)


def attention(source: Ids, prefix: Ids) -> list[float]:
    """The weights with which the token after a prefix looks at the source; none at its last token, if it has two."""
    weights = numpy_softmax(hashed_table(99, VOCAB, sharpness=6.0)(source, prefix)[: len(source)])
    return [*(weight / sum(weights[:-1]) for weight in weights[:-1]), 0.0] if len(source) == 2 else weights


class LookingModel(TableModel):
    """A table with attention weights."""

    def step(self, tokens: Tensor, state: TableState, choice: Choice) -> ModelStep[TableState]:
        """See `StepModel`."""
        step = super().step(tokens, state, choice)
        width = max(map(len, SOURCES))
        rows = [[*attention(source, prefix or ()), *[0.0] * width][:width] for source, prefix in step.state.rows]
        return replace(step, weights=torch.tensor(rows))


def bonus(kind: str, source: Ids, tokens: Ids, steps: int) -> float:
    """What the papers' penalties add after the first steps of a hypothesis: cp(X; Y), without its factor."""
    weights = [attention(source, tokens[:place]) for place in range(steps)]
    looked = [math.fsum(each) for each in zip(*weights, strict=True)]
    if kind == "summary":
        words = looked[:-1]  # the last token is the source's end
        return len(words) - math.fsum(max(each, 1.0) for each in words)
    return math.fsum(math.log(min(max(each, torch.finfo(torch.float32).tiny), 1.0)) for each in looked)


def rescored(found: list[Hypothesis], source: Ids, beta: float, kind: str) -> list[Hypothesis]:
    """With the bonus added to each score, best first."""
    changed = [
        replace(one, score=one.score + beta * bonus(kind, source, tuple(one.tokens), len(one.tokens) + 1))
        for one in found
    ]
    return sorted(changed, key=lambda hypothesis: -hypothesis.score)


@pytest.mark.parametrize("kind", ["wu", "summary"])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("beta", [0.2, 2.0])
def test_a_wide_beam_finds_the_best_by_the_papers_score(
    alpha: float, beta: float, kind: Literal["wu", "summary"]
) -> None:
    changed = 0
    for salt in range(5):
        table = hashed_table(salt, VOCAB, sharpness=3.0)
        settings = replace(SETTINGS, beam_size=63, n_best=63, length_penalty=alpha, coverage_penalty=beta)
        settings = replace(settings, coverage_penalty_type=kind)
        found = search(LookingModel(table), *source_batch(SOURCES), settings)
        for source, hypotheses in zip(SOURCES, found, strict=True):
            plain = all_hypotheses(table, source, settings)
            assert_same_hypotheses(hypotheses, rescored(plain, source, beta, kind))
            changed += [best.tokens for best in hypotheses] != [best.tokens for best in plain]
    assert changed > 0


@pytest.mark.parametrize("kind", ["wu", "summary"])
@pytest.mark.parametrize("beam_size", [1, 2, 4])
def test_a_narrow_beam_stops_no_sooner_than_it_may(beam_size: int, kind: Literal["wu", "summary"]) -> None:
    """The n best are those of a search that goes on to the very end; a summary's penalty counts at every step."""
    settings = replace(SETTINGS, beam_size=beam_size, n_best=min(beam_size, 2), coverage_penalty=3.0)
    guided = 0
    for salt in range(12):
        table = hashed_table(salt, VOCAB, sharpness=3.0)
        asked = replace(settings, coverage_penalty_type=kind)
        found = search(LookingModel(table), *source_batch(SOURCES), asked)
        for source, hypotheses in zip(SOURCES, found, strict=True):

            def handicap(prefix: Ids, source: Ids = source) -> float:
                return 3.0 * bonus(kind, source, prefix, len(prefix)) if kind == "summary" and prefix else 0.0

            slow = slow_beam(table, source, settings, handicap).finished
            assert_same_hypotheses(hypotheses, rescored(slow, source, 3.0, kind)[: settings.n_best])
            guided += {tuple(one.tokens) for one in slow} != {
                tuple(one.tokens) for one in slow_beam(table, source, settings).finished
            }
    assert (guided > 0) == (kind == "summary" and beam_size == 4)  # fewer are soon done


def test_without_attention_it_cannot_be_had() -> None:
    with pytest.raises(ValueError, match="needs attention weights"):
        search(TableModel(hashed_table(0, VOCAB, 3.0)), *source_batch(SOURCES), replace(SETTINGS, coverage_penalty=0.1))


def test_it_is_nothing_unless_asked_for() -> None:
    table = hashed_table(0, VOCAB, 3.0)
    plain = beam_search(TableModel(table), *source_batch(SOURCES), SETTINGS)
    assert search(LookingModel(table), *source_batch(SOURCES), SETTINGS) == plain
