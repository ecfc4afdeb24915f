"""Greedy search with tables of probabilities in place of a network."""

import math
from dataclasses import replace

import pytest

from nmt.search.beam import beam_search
from nmt.search.greedy import greedy_search
from nmt.search.types import Hypothesis, SearchSettings
from tests.helpers import (
    Ids,
    Table,
    TableModel,
    assert_same_hypotheses,
    hashed_table,
    longest,
    next_tokens,
    normalise,
    normalised,
    source_batch,
)

BOS, EOS, VOCAB = 0, 1, 5
SOURCES: list[Ids] = [(2,), (3, 2, 4), (4, 4), (2, 3, 4, 2), (3,), (4, 3)]
SETTINGS = SearchSettings(BOS, EOS, banned=(BOS,), max_length_ratio=1.0, max_length_extra=3)


def by_hand(table: Table, source: Ids, settings: SearchSettings) -> Hypothesis:
    """The most probable token at every step, for one sentence."""
    prefix: Ids = ()
    log_prob = 0.0
    while True:
        answers = table(source, prefix)
        token = max(next_tokens(len(prefix), source, VOCAB, settings), key=lambda token: answers[token])
        log_prob += answers[token]
        if token == settings.eos:
            return Hypothesis(list(prefix), log_prob, normalise(log_prob, len(prefix), settings.length_penalty))
        prefix = (*prefix, token)


@pytest.mark.parametrize("salt", range(10))
def test_the_most_probable_token_is_taken_at_every_step(salt: int) -> None:
    table = hashed_table(salt, VOCAB, sharpness=3.0)
    found = greedy_search(TableModel(table), *source_batch(SOURCES), SETTINGS)
    assert_same_hypotheses(found, [by_hand(table, source, SETTINGS) for source in SOURCES])


def test_continuations_that_rounding_makes_equal_are_chosen_as_in_a_beam_of_one() -> None:
    """Far from zero, float32 cannot tell sums apart whose last terms differ a little."""

    def table(_: Ids, prefix: Ids) -> list[float]:
        if not prefix:
            return [-math.inf, -math.inf, -1e8, -1e8, -1e8]
        rising = [-math.inf, -2.0 + 0.1 * len(prefix), -1.3, -1.2, -1.1]
        return rising if prefix[-1] == 2 else [rising[0], *rising[:0:-1]]

    greedy = greedy_search(TableModel(table), *source_batch(SOURCES), SETTINGS)
    beam = beam_search(TableModel(table), *source_batch(SOURCES), replace(SETTINGS, beam_size=1))
    assert greedy == [best for (best,) in beam]


def test_the_tables_end_at_different_lengths() -> None:
    """Lest the tests here be about one kind of translation only."""
    lengths = {
        len(by_hand(hashed_table(salt, VOCAB, 3.0), source, SETTINGS).tokens)
        for salt in range(10)
        for source in SOURCES
    }
    assert lengths >= {0, 1, 2, 3, 4, 5}


def test_finished_sentences_leave_the_batch() -> None:
    model = TableModel(hashed_table(4, VOCAB, sharpness=3.0))
    found = greedy_search(model, *source_batch(SOURCES), SETTINGS)
    steps = [len(hypothesis.tokens) + 1 for hypothesis in found]
    assert len(set(steps)) > 1
    expected = [
        [source for source, last in zip(SOURCES, steps, strict=True) if last > step] for step in range(max(steps))
    ]
    assert model.asked == expected


def test_a_model_that_never_ends_is_ended() -> None:
    def endless(_: Ids, prefix: Ids) -> list[float]:
        return normalised([0.0, -50.0, 1.0 + len(prefix) % 2, 1.5, 0.0])

    found = greedy_search(TableModel(endless), *source_batch(SOURCES), SETTINGS)
    for source, hypothesis in zip(SOURCES, found, strict=True):
        most = longest(source, SETTINGS)
        assert hypothesis.tokens == [3 if place % 2 == 0 else 2 for place in range(most)]
        assert hypothesis.log_prob < -50.0  # the end that it did not want is paid for


def test_a_model_that_always_ends_gives_empty_translations_or_the_shortest_allowed() -> None:
    def silent(*_: Ids) -> list[float]:
        return normalised([0.0, 50.0, 0.0, 1.0, 0.0])

    empty = greedy_search(TableModel(silent), *source_batch(SOURCES), SETTINGS)
    assert [hypothesis.tokens for hypothesis in empty] == [[]] * len(SOURCES)
    at_least = SearchSettings(BOS, EOS, banned=(BOS,), max_length_ratio=1.0, min_length_ratio=0.5)
    short = greedy_search(TableModel(silent), *source_batch(SOURCES), at_least)
    assert [hypothesis.tokens for hypothesis in short] == [[3] * ((len(source) + 1) // 2) for source in SOURCES]


def test_banned_tokens_are_never_produced() -> None:
    def tempted(*_: Ids) -> list[float]:
        return normalised([9.0, 0.0, 5.0, 1.0, 7.0])

    settings = SearchSettings(BOS, EOS, banned=(BOS, 4, 2), max_length_ratio=0.0, max_length_extra=3)
    found = greedy_search(TableModel(tempted), *source_batch(SOURCES), settings)
    assert [hypothesis.tokens for hypothesis in found] == [[3, 3, 3]] * len(SOURCES)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_the_score_is_the_normalised_log_probability(alpha: float) -> None:
    settings = SearchSettings(BOS, EOS, banned=(BOS,), length_penalty=alpha, max_length_extra=3)
    for found in greedy_search(TableModel(hashed_table(2, VOCAB, 3.0)), *source_batch(SOURCES), settings):
        assert found.score == pytest.approx(normalise(found.log_prob, len(found.tokens), alpha), rel=1e-6)
