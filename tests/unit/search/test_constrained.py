"""Phrases that must occur, against all translations of tables in which they do."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.search.beam import beam_search
from nmt.search.constrained import Progress, constrained_search
from nmt.search.processors import BlockedNgrams
from nmt.search.types import SearchSettings
from tests.helpers import Ids, TableModel, all_hypotheses, assert_same_hypotheses, hashed_table, source_batch

BOS, EOS, VOCAB = 0, 1, 5
SOURCES: list[Ids] = [(2,), (3, 2, 3), (3, 3), (2, 3)]
SETTINGS = SearchSettings(BOS, EOS, banned=(BOS,), max_length_ratio=0.5, max_length_extra=4)
PHRASES: list[list[Ids]] = [
    [(2, 3)],
    [(4,), (2, 2, 3)],
    [],
    [(3, 3), (4, 2)],
]


def occurs(phrase: Ids, tokens: list[int]) -> bool:
    return any(tuple(tokens[start : start + len(phrase)]) == phrase for start in range(len(tokens)))


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("salt", range(3))
def test_with_a_wide_beam_it_finds_all_in_which_the_phrases_occur(salt: int, alpha: float) -> None:
    table = hashed_table(salt, VOCAB, sharpness=3.0)
    settings = replace(SETTINGS, beam_size=400, n_best=400, length_penalty=alpha, min_length_ratio=1.0)
    found = constrained_search(TableModel(table), *source_batch(SOURCES), settings, PHRASES)
    for source, phrases, hypotheses in zip(SOURCES, PHRASES, found, strict=True):
        everything = all_hypotheses(table, source, settings)
        expected = [best for best in everything if all(occurs(phrase, best.tokens) for phrase in phrases)]
        assert 1 < len(expected) <= 400
        assert_same_hypotheses(hypotheses, expected)


@pytest.mark.parametrize("beam_size", [1, 3, 6])
def test_all_phrases_occur_and_scores_are_the_models(beam_size: int) -> None:
    settings = replace(SETTINGS, beam_size=beam_size, n_best=min(2, beam_size))
    for salt in range(10):
        table = hashed_table(salt, VOCAB, sharpness=6.0, ending=3.0)
        found = constrained_search(TableModel(table), *source_batch(SOURCES), settings, PHRASES)
        for source, phrases, hypotheses in zip(SOURCES, PHRASES, found, strict=True):
            known = {tuple(best.tokens): best for best in all_hypotheses(table, source, settings)}
            assert hypotheses
            for hypothesis in hypotheses:
                assert all(occurs(phrase, hypothesis.tokens) for phrase in phrases)
                assert_same_hypotheses([hypothesis], [known[tuple(hypothesis.tokens)]])


def test_phrases_that_fill_the_whole_translation_are_written_in_the_best_order() -> None:
    source: Ids = (2,)
    phrases: list[Ids] = [(2, 3), (4, 4)]
    for salt in range(5):
        table = hashed_table(salt, VOCAB, sharpness=3.0)
        ((best,),) = constrained_search(TableModel(table), *source_batch([source]), SETTINGS, [phrases])
        everything = all_hypotheses(table, source, SETTINGS)
        expected = [one for one in everything if all(occurs(phrase, one.tokens) for phrase in phrases)]
        assert {tuple(one.tokens) for one in expected} == {(2, 3, 4, 4), (4, 4, 2, 3)}
        assert_same_hypotheses([best], expected[:1])


def test_what_does_not_fit_is_not_found() -> None:
    table = hashed_table(0, VOCAB, sharpness=3.0)
    phrases: list[list[Ids]] = [[(2, 3, 2, 3, 2)], [(2,)]]
    none, some = constrained_search(TableModel(table), *source_batch([(2,), (3,)]), SETTINGS, phrases)
    assert none == []
    assert some


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_without_phrases_it_is_beam_search(beam_size: int) -> None:
    for salt in range(10):
        table = hashed_table(salt, VOCAB, sharpness=3.0)
        settings = replace(SETTINGS, beam_size=beam_size, n_best=min(beam_size, 3))
        found = constrained_search(TableModel(table), *source_batch(SOURCES), settings, [[]] * len(SOURCES))
        for ours, theirs in zip(found, beam_search(TableModel(table), *source_batch(SOURCES), settings), strict=True):
            assert_same_hypotheses(ours, theirs)


@pytest.mark.bare
@given(st.lists(st.integers(0, 3), max_size=4), st.sampled_from([1, 2, 4]))
def test_a_translation_does_not_depend_on_its_batch(indices: list[int], beam_size: int) -> None:
    table = hashed_table(3, VOCAB, sharpness=3.0)
    settings = replace(SETTINGS, beam_size=beam_size, n_best=beam_size)
    for index in indices[:1]:
        (alone,) = constrained_search(TableModel(table), *source_batch([SOURCES[index]]), settings, [PHRASES[index]])
        found = constrained_search(
            TableModel(table),
            *source_batch([SOURCES[each] for each in indices]),
            settings,
            [PHRASES[each] for each in indices],
        )
        assert_same_hypotheses(found[0], alone)


@given(
    st.lists(st.lists(st.integers(2, 3), min_size=1, max_size=3), max_size=3), st.lists(st.integers(2, 4), max_size=8)
)
def test_progress_knows_what_is_missing_and_how_it_could_come(phrases: list[list[int]], tokens: list[int]) -> None:
    progress = Progress.begin(phrases)
    for token in tokens:
        progress = progress.after(token)
    missing = {phrase for phrase in map(tuple, phrases) if not occurs(phrase, tokens)}
    assert set(progress.missing) <= missing
    assert (progress.left == 0) == (not missing)
    for phrase, begun in zip(progress.missing, progress.begun, strict=True):
        assert tuple(tokens[len(tokens) - begun :]) == phrase[:begun]
        longer = [size for size in range(begun + 1, len(phrase)) if tuple(tokens[-size:]) == phrase[:size]]
        assert not [size for size in longer if size <= len(tokens)]
    if missing:
        assert min(progress.after(token).left for token in progress.wanted) < progress.left


def test_other_processors_could_make_it_impossible() -> None:
    settings = replace(SETTINGS, processors=(BlockedNgrams(1),))
    with pytest.raises(ValueError, match="cannot be had with processors or a penalty at every step"):
        constrained_search(TableModel(hashed_table(0, VOCAB, 3.0)), *source_batch([(2,)]), settings, [[(2,)]])


def test_banned_tokens_stay_banned() -> None:
    settings = replace(SETTINGS, banned=(BOS, 4), beam_size=4, n_best=4)
    table = hashed_table(1, VOCAB, sharpness=3.0)
    found = constrained_search(TableModel(table), *source_batch(SOURCES[:1]), settings, [[(2, 3)]])
    assert torch.tensor([4 not in best.tokens for best in found[0]]).all()
