"""Beam search with tables of probabilities in place of a network, small enough to enumerate everything."""

import math
from dataclasses import replace

import pytest

from nmt.search.beam import beam_search
from nmt.search.types import Hypothesis, SearchSettings
from tests.helpers import (
    Ids,
    Table,
    TableModel,
    all_hypotheses,
    assert_same_hypotheses,
    hashed_table,
    slow_beam,
    source_batch,
)

BOS, EOS, A, B = 0, 1, 2, 3
SOURCES: list[Ids] = [(2,), (3, 2, 3), (3, 3), (2, 3)]
SETTINGS = SearchSettings(BOS, EOS, banned=(BOS,), max_length_ratio=1.0, max_length_extra=2)


def listed(answers: dict[Ids, dict[int, float]]) -> Table:
    """A table of probabilities of the words named after each prefix; after all others, and of all others, almost 0."""

    def log_probs(_: Ids, prefix: Ids) -> list[float]:
        given = answers.get(prefix, {EOS: 1.0})
        return [math.log(given.get(token, 1e-9)) for token in range(4)]

    return log_probs


def search(table: Table, settings: SearchSettings, source: Ids = (2,)) -> list[Hypothesis]:
    """The search for one sentence."""
    (found,) = beam_search(TableModel(table), *source_batch([source]), settings)
    return found


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("salt", range(3))
def test_a_beam_wide_enough_finds_everything(salt: int, alpha: float) -> None:
    table = hashed_table(salt, 4, sharpness=3.0)
    settings = replace(SETTINGS, length_penalty=alpha, beam_size=63, n_best=63)
    found = beam_search(TableModel(table), *source_batch(SOURCES), settings)
    for source, hypotheses in zip(SOURCES, found, strict=True):
        expected = all_hypotheses(table, source, settings)
        assert len(expected) == 2 ** (len(source) + 3) - 1
        assert_same_hypotheses(hypotheses, expected)


@pytest.mark.parametrize("beam_size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_narrow_beam_is_the_search_by_hand(beam_size: int, alpha: float) -> None:
    settings = replace(SETTINGS, length_penalty=alpha, beam_size=beam_size, n_best=min(beam_size, 2))
    for salt in range(10):
        table = hashed_table(salt, 4, sharpness=3.0)
        found = beam_search(TableModel(table), *source_batch(SOURCES), settings)
        for source, hypotheses in zip(SOURCES, found, strict=True):
            expected = slow_beam(table, source, settings).finished
            assert_same_hypotheses(hypotheses, expected[: settings.n_best])


GARDEN_PATH = listed(
    {
        (): {A: 0.6, B: 0.4},
        (A,): {A: 0.5, EOS: 0.5},
        (B,): {B: 1.0},
        (B, B): {EOS: 1.0},
        (A, A): {EOS: 1.0},
    }
)


def test_a_beam_escapes_where_greed_does_not() -> None:
    """Greedy search takes A, 0.6 at first but 0.3 in the end; B B has 0.4."""
    greedy = search(GARDEN_PATH, replace(SETTINGS, beam_size=1, length_penalty=0.0))
    assert greedy[0].tokens in ([A], [A, A])
    found = search(GARDEN_PATH, replace(SETTINGS, beam_size=3, length_penalty=0.0))
    assert [hypothesis.tokens for hypothesis in found] == [[B, B]]
    assert math.exp(found[0].log_prob) == pytest.approx(0.4)


def test_the_length_penalty_turns_the_order_round() -> None:
    table = listed({(): {A: 0.55, EOS: 0.45}, (A,): {A: 0.75, EOS: 0.25}, (A, A): {EOS: 1.0}})
    settings = replace(SETTINGS, beam_size=3)
    assert search(table, replace(settings, length_penalty=0.0))[0].tokens == []  # ln .45 = -0.80, ln .4125 = -0.89
    assert search(table, replace(settings, length_penalty=1.0))[0].tokens == [A, A]  # -0.80 and -0.89 / (8 / 6)


def test_a_finished_hypothesis_keeps_its_place() -> None:
    """With two places, one of them taken by the end at once, there is one left for what goes on."""
    model = TableModel(listed({(): {EOS: 0.5, A: 0.3, B: 0.2}, (A,): {A: 0.6, B: 0.4}}))
    settings = replace(SETTINGS, beam_size=2, n_best=2, length_penalty=0.0)
    (found,) = beam_search(model, *source_batch([(2,)]), settings)
    assert [hypothesis.tokens for hypothesis in found] == [[], [A, A]]
    assert [len(sources) for sources in model.asked] == [1, 1, 1]


def test_it_does_not_stop_while_a_longer_hypothesis_can_still_win() -> None:
    """The end at once has ln 0.56 = -0.58, A only ln 0.44 = -0.82; but A A A, the longest allowed, -0.82 / (9 / 6)."""
    table = listed({(): {EOS: 0.56, A: 0.44}, (A,): {A: 1.0}, (A, A): {A: 1.0}, (A, A, A): {EOS: 1.0}})
    model = TableModel(table)
    settings = replace(SETTINGS, beam_size=2, length_penalty=1.0)
    (found,) = beam_search(model, *source_batch([(2,)]), settings)
    assert [hypothesis.tokens for hypothesis in found] == [[A, A, A]]
    assert len(model.asked) == 4


def test_it_stops_as_soon_as_nothing_can_win_any_more() -> None:
    table = listed({(): {EOS: 0.9, A: 0.1}, (A,): {A: 1.0}, (A, A): {A: 1.0}, (A, A, A): {EOS: 1.0}})
    for n_best, steps in ((1, 1), (2, 4)):
        model = TableModel(table)
        settings = replace(SETTINGS, beam_size=2, length_penalty=1.0, n_best=n_best)
        (found,) = beam_search(model, *source_batch([(2,)]), settings)
        assert [hypothesis.tokens for hypothesis in found] == [[], [A, A, A]][:n_best]
        assert len(model.asked) == steps


def test_each_sentence_stops_for_itself() -> None:
    quick, slow = (2,), (3,)

    def table(source: Ids, prefix: Ids) -> list[float]:
        first = {EOS: 0.9, A: 0.06, B: 0.04} if source == quick else {A: 0.6, B: 0.4}
        return listed({(): first, (A,): {A: 1.0}, (B,): {B: 1.0}})(source, prefix)

    model = TableModel(table)
    found = beam_search(model, *source_batch([slow, quick, slow]), replace(SETTINGS, beam_size=2))
    assert [hypotheses[0].tokens for hypotheses in found] == [[A, A], [], [A, A]]
    assert model.asked == [[slow, quick, slow], [slow] * 4, [slow] * 4]


def test_fewer_hypotheses_than_asked_for_are_given_where_there_are_no_more() -> None:
    settings = SearchSettings(
        BOS, EOS, banned=(BOS, B), beam_size=9, n_best=9, max_length_ratio=0.0, max_length_extra=2
    )
    found = search(hashed_table(1, 4, sharpness=1.0), settings)
    assert sorted(hypothesis.tokens for hypothesis in found) == [[], [A], [A, A]]


def test_a_beam_wider_than_the_vocabulary() -> None:
    table = hashed_table(1, 4, sharpness=1.0)
    settings = replace(SETTINGS, beam_size=20, n_best=3)
    for source in SOURCES:
        assert_same_hypotheses(search(table, settings, source), slow_beam(table, source, settings).finished[:3])
