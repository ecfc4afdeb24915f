"""Diverse beam search, against all groups going on side by side as the paper's algorithm has them."""

from copy import deepcopy
from dataclasses import replace

import pytest

from nmt.search.beam import beam_search
from nmt.search.processors import BlockedNgrams
from nmt.search.search import search
from nmt.search.types import Hypothesis, SearchSettings
from nmt.tokenizer import BOS as BOS_OF_NETWORKS
from nmt.tokenizer import EOS as EOS_OF_NETWORKS
from nmt.tokenizer import PAD
from tests.helpers import (
    SENTENCES,
    Ids,
    Table,
    TableModel,
    assert_same_hypotheses,
    hashed_table,
    longest,
    next_tokens,
    normalise,
    practised_model,
    repeats,
    restricted,
    source_batch,
)

BOS, EOS, VOCAB = 0, 1, 6
SOURCES: list[Ids] = [(2,), (3, 2, 4), (4, 4), (2, 3, 4, 2)]
SETTINGS = SearchSettings(
    BOS, EOS, banned=(BOS,), beam_size=6, n_best=6, max_length_ratio=1.0, max_length_extra=3, diversity_groups=3
)


def side_by_side(table: Table, source: Ids, settings: SearchSettings) -> list[Hypothesis]:
    """Algorithm 1 for one sentence: at each step one group after another chooses."""
    share = settings.beam_size // settings.diversity_groups
    alpha = settings.length_penalty
    groups: list[list[tuple[Ids, float]]] = [[((), 0.0)] for _ in range(settings.diversity_groups)]
    finished: list[list[Hypothesis]] = [[] for _ in groups]
    for length in range(longest(source, settings) + 1):
        words: list[int] = []  # those that open hypotheses have taken at this step
        for number, open_ones in enumerate(groups):
            candidates = [
                (prefix, token, log_prob + table(source, prefix)[token])
                for prefix, log_prob in open_ones
                for token in next_tokens(length, source, VOCAB, settings)
                if table(source, prefix)[token] > float("-inf")
            ]
            candidates.sort(key=lambda one: settings.diversity_penalty * words.count(one[1]) - one[2])
            best = candidates[: share - len(finished[number])]
            finished[number] += [
                Hypothesis(list(prefix), total, normalise(total, length, alpha))
                for prefix, token, total in best
                if token == EOS
            ]
            groups[number] = [((*prefix, token), total) for prefix, token, total in best if token != EOS]
            if len(finished[number]) == share:
                groups[number] = []
            words += [prefix[-1] for prefix, _ in groups[number]]
    different = {tuple(one.tokens): one for group in finished for one in group}
    return sorted(different.values(), key=lambda one: -one.score)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("penalty", [0.0, 0.4, 1.5])
def test_each_group_keeps_away_from_those_before_it(groups: int, penalty: float) -> None:
    settings = replace(SETTINGS, diversity_groups=groups, diversity_penalty=penalty)
    for salt in range(8):
        table = hashed_table(salt, VOCAB, sharpness=3.0)
        found = search(TableModel(table), *source_batch(SOURCES), settings)
        for source, hypotheses in zip(SOURCES, found, strict=True):
            assert_same_hypotheses(hypotheses, side_by_side(table, source, settings))


def test_translations_differ_more_than_those_of_beam_search() -> None:
    settings = replace(SETTINGS, diversity_penalty=1.5)
    words: dict[int, int] = {1: 0, 3: 0}
    for salt in range(8):
        for groups in words:
            model = TableModel(hashed_table(salt, VOCAB, sharpness=3.0))
            found = search(model, *source_batch(SOURCES), replace(settings, diversity_groups=groups))
            words[groups] += sum(len({one.tokens[0] for one in hypotheses if one.tokens}) for hypotheses in found)
    assert words[3] > 1.2 * words[1]


def test_with_one_group_it_is_beam_search() -> None:
    settings = replace(SETTINGS, diversity_groups=1)
    table = hashed_table(1, VOCAB, sharpness=3.0)
    expected = beam_search(TableModel(table), *source_batch(SOURCES), settings)
    assert search(TableModel(table), *source_batch(SOURCES), settings) == expected


def test_asking_for_more_does_not_change_the_first() -> None:
    table = hashed_table(2, VOCAB, sharpness=3.0)
    most = search(TableModel(table), *source_batch(SOURCES), SETTINGS)
    for n_best in range(1, 6):
        found = search(TableModel(table), *source_batch(SOURCES), replace(SETTINGS, n_best=n_best))
        assert found == [hypotheses[:n_best] for hypotheses in most]


def test_it_goes_together_with_other_processors() -> None:
    settings = replace(SETTINGS, diversity_penalty=0.8, processors=(BlockedNgrams(1),))
    for salt in range(5):
        table = hashed_table(salt, VOCAB, sharpness=3.0)
        without = restricted(table, lambda _, prefix, token: not repeats(prefix, token, 1))
        found = search(TableModel(table), *source_batch(SOURCES), settings)
        for source, hypotheses in zip(SOURCES, found, strict=True):
            assert_same_hypotheses(hypotheses, side_by_side(without, source, settings))


@pytest.mark.parametrize("name", ["general", "linguistic_coverage", "variational_dropout"])
def test_the_source_is_read_once_for_all_groups(name: str) -> None:
    """Without a penalty every group of a network finds what the first one does: none spoils the state of the others."""
    batch = source_batch([(*sentence, EOS_OF_NETWORKS) for sentence in SENTENCES])
    settings = replace(SETTINGS, bos=BOS_OF_NETWORKS, eos=EOS_OF_NETWORKS, banned=(PAD, BOS_OF_NETWORKS))
    model, read = deepcopy(practised_model(name)), list[int]()
    model.encoder.register_forward_hook(lambda _, given, __: read.append(len(given[0])))
    found = search(model, *batch, replace(settings, diversity_penalty=0.0))
    assert read == [len(SENTENCES)]
    assert found == beam_search(model, *batch, replace(settings, beam_size=2, n_best=2))
