"""What decides which tokens may come next, with tables of probabilities from which everything else is taken out."""

from dataclasses import replace

import pytest
import torch

from nmt.search.beam import beam_search
from nmt.search.greedy import greedy_search
from nmt.search.processors import BlockedNgrams, ForcedPrefixes
from nmt.search.search import search
from nmt.search.types import Bias, Choice, SearchSettings
from tests.helpers import (
    Ids,
    TableModel,
    all_hypotheses,
    assert_same_hypotheses,
    hashed_table,
    repeats,
    restricted,
    slow_beam,
    source_batch,
)

BOS, EOS, VOCAB = 0, 1, 5
CPU = torch.device("cpu")
SOURCES: list[Ids] = [(2,), (3, 2, 4), (4, 4), (2, 3, 4, 2)]
SETTINGS = SearchSettings(BOS, EOS, banned=(BOS,), max_length_ratio=1.0, max_length_extra=3)


@pytest.mark.parametrize("beam_size", [1, 3, 7])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_ngram_comes_twice(size: int, beam_size: int) -> None:
    changed = 0
    settings = replace(SETTINGS, beam_size=beam_size, n_best=beam_size, processors=(BlockedNgrams(size),))
    settings = replace(settings, max_length_extra=7)
    for salt in range(10):
        table = hashed_table(salt, VOCAB, sharpness=3.0, ending=-4.0)
        without = restricted(table, lambda _, prefix, token: not repeats(prefix, token, size))
        found = beam_search(TableModel(table), *source_batch(SOURCES), settings)
        for source, hypotheses in zip(SOURCES, found, strict=True):
            expected = slow_beam(without, source, settings).finished[: settings.n_best]
            assert_same_hypotheses(hypotheses, expected)
            plain = slow_beam(table, source, settings).finished[: settings.n_best]
            changed += [best.tokens for best in hypotheses] != [best.tokens for best in plain]
    assert changed > 0


PREFIXES: list[Ids] = [(3, 3), (), (2, 2, 2, 4), (4,)]


def after_prefixes(source: Ids, prefix: Ids, token: int) -> bool:
    """Whether a token continues what the source's translation must begin with."""
    wanted = PREFIXES[SOURCES.index(source)]
    return len(prefix) >= len(wanted) or token == wanted[len(prefix)]


@pytest.mark.parametrize("banned", [(BOS,), (BOS, 3)])
@pytest.mark.parametrize("beam_size", [1, 4])
def test_a_prefix_is_written_whatever_is_banned_and_its_probability_counts(
    beam_size: int, banned: tuple[int, ...]
) -> None:
    processors = (BlockedNgrams(2), ForcedPrefixes(PREFIXES, CPU))
    settings = replace(SETTINGS, beam_size=beam_size, n_best=beam_size, banned=banned, min_length_ratio=0.5)

    def may_come(source: Ids, prefix: Ids, token: int) -> bool:
        free = len(prefix) >= len(PREFIXES[SOURCES.index(source)])
        allowed = token not in banned and not repeats(prefix, token, 2)
        return after_prefixes(source, prefix, token) and (allowed or not free)

    for salt in range(10):
        table = hashed_table(salt, VOCAB, sharpness=3.0)
        found = beam_search(TableModel(table), *source_batch(SOURCES), replace(settings, processors=processors))
        for source, hypotheses in zip(SOURCES, found, strict=True):
            by_hand = replace(settings, banned=(BOS,))  # the table has what else is banned
            expected = slow_beam(restricted(table, may_come), source, by_hand).finished[:beam_size]
            assert_same_hypotheses(hypotheses, expected)
            wanted = [*PREFIXES[SOURCES.index(source)]]
            assert all(hypothesis.tokens[: len(wanted)] == wanted for hypothesis in hypotheses)


def test_a_wide_beam_finds_all_that_begins_with_the_prefix() -> None:
    table = hashed_table(1, VOCAB, sharpness=3.0)
    settings = replace(SETTINGS, beam_size=1100, n_best=1100, processors=(ForcedPrefixes(PREFIXES[:3], CPU),))
    found = beam_search(TableModel(table), *source_batch(SOURCES[:3]), settings)
    for source, hypotheses in zip(SOURCES, found, strict=False):
        expected = all_hypotheses(restricted(table, after_prefixes), source, settings)
        assert_same_hypotheses(hypotheses, expected)


def test_a_prefix_that_is_too_long_is_cut() -> None:
    settings = replace(SETTINGS, processors=(ForcedPrefixes([(2, 3, 4, 2, 3, 4, 2)], CPU),))
    ((best, *_),) = beam_search(TableModel(hashed_table(1, VOCAB, 3.0)), *source_batch([(2,)]), settings)
    assert best.tokens == [2, 3, 4, 2]


def test_a_bias_changes_what_is_chosen_and_no_probability() -> None:
    class Against:
        """Takes 2 from the sums of every continuation by 2 or 3, in two entries."""

        def __call__(self, histories: object, choice: Choice) -> Choice:
            sentences, hypotheses = (choice.sums > -torch.inf).nonzero(as_tuple=True)
            bias = [
                Bias(sentences, hypotheses, torch.full_like(sentences, token), torch.full_like(sentences, -1.0).float())
                for token in (2, 3, 2, 3)
            ]
            return replace(choice, bias=(*choice.bias, *bias))

    settings = replace(SETTINGS, beam_size=1, processors=(Against(),))
    for salt in range(10):
        table = hashed_table(salt, VOCAB, sharpness=3.0)
        found = beam_search(TableModel(table), *source_batch(SOURCES), settings)
        for source, (best,) in zip(SOURCES, found, strict=True):
            total = 0.0
            for place, token in enumerate([*best.tokens, EOS]):
                answers = table(source, tuple(best.tokens[:place]))
                total += answers[token]
                words = [EOS] if len(best.tokens) == place == len(source) + 3 else [EOS, 2, 3, 4]
                assert token == max(words, key=lambda word: answers[word] - 2.0 * (word in (2, 3)))
            assert best.log_prob == pytest.approx(total, abs=1e-5)


def test_greedy_search_takes_no_processors_and_the_choice_of_a_search_knows_it() -> None:
    settings = replace(SETTINGS, beam_size=1, processors=(BlockedNgrams(1),))
    model = TableModel(hashed_table(0, VOCAB, 3.0))
    with pytest.raises(ValueError, match="takes no processors"):
        greedy_search(model, *source_batch(SOURCES), settings)
    assert search(model, *source_batch(SOURCES), settings) == beam_search(model, *source_batch(SOURCES), settings)
    plain = replace(settings, processors=())
    greedy = greedy_search(model, *source_batch(SOURCES), plain)
    assert search(model, *source_batch(SOURCES), plain) == [[best] for best in greedy]
