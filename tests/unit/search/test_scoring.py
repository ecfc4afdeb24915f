"""Length penalty, the bounds of the length, and which tokens may come next."""

import math
from dataclasses import replace

import pytest
import torch

from nmt.search.picking import Best
from nmt.search.scoring import best_continuations, length_penalty
from nmt.search.types import Choice, SearchSettings
from tests.helpers import waves

BOS, EOS, VOCAB = 0, 1, 5


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
def test_length_penalty_is_wus_formula(alpha: float) -> None:
    lengths = [1, 2, 7, 100]
    expected = [math.pow(5 + length, alpha) / math.pow(5 + 1, alpha) for length in lengths]
    assert length_penalty(torch.tensor(lengths), alpha).tolist() == pytest.approx(expected, rel=1e-6)


def test_length_penalty_of_one_token_is_one() -> None:
    assert length_penalty(torch.tensor(1), 1.7).item() == 1.0


def test_bounds_of_the_length() -> None:
    settings = SearchSettings(BOS, EOS, max_length_ratio=1.5, max_length_extra=2, min_length_ratio=0.25)
    lengths = torch.tensor([1, 4, 5])
    assert settings.max_length(lengths).tolist() == [3, 8, 9]  # rounded down
    assert settings.min_length(lengths).tolist() == [1, 1, 2]  # rounded up


def test_a_minimum_may_be_a_number_of_tokens() -> None:
    settings = SearchSettings(BOS, EOS, max_length_ratio=0.0, max_length_extra=6, min_length_extra=4)
    assert settings.min_length(torch.tensor([1, 90])).tolist() == [4, 4]
    assert replace(settings, min_length_ratio=0.25).min_length(torch.tensor([1, 4, 5, 90])).tolist() == [5, 5, 6, 6]
    assert allowed(3, [5], replace(settings, banned=(BOS,))) == [[[2, 3, 4]] * 2]
    assert allowed(4, [5], replace(settings, banned=(BOS,))) == [[[1, 2, 3, 4]] * 2]


def test_the_minimum_is_never_above_the_maximum() -> None:
    settings = SearchSettings(BOS, EOS, max_length_ratio=0.5, max_length_extra=1, min_length_ratio=2.0)
    assert settings.min_length(torch.tensor([1, 6])).tolist() == [1, 4]


def allowed(length: int, src_lengths: list[int], settings: SearchSettings) -> list[list[list[int]]]:
    """For each sentence and hypothesis, the tokens that may follow."""
    sums = waves(len(src_lengths), 2).float()
    logits = waves(2 * len(src_lengths), VOCAB).float()
    expected = logits.log_softmax(dim=1).view(-1, 2, VOCAB) + sums[:, :, None]
    choice = replace(settings.choice(length, torch.tensor(src_lengths), sums), pick=Best(2 * VOCAB))
    best = best_continuations(logits, choice)
    assert (best.sums[:, :-1] >= best.sums[:, 1:]).all()
    found: list[list[list[int]]] = [[[], []] for _ in src_lengths]
    for sentence, rank in best.sums.isfinite().nonzero().tolist():
        parent, token = int(best.parents[sentence, rank]), int(best.tokens[sentence, rank])
        torch.testing.assert_close(best.sums[sentence, rank], expected[sentence, parent, token])
        found[sentence][parent].append(token)
    return [[sorted(tokens) for tokens in hypotheses] for hypotheses in found]


def test_each_sentence_has_its_own_bounds() -> None:
    settings = SearchSettings(BOS, EOS, banned=(BOS,), max_length_ratio=1.0, max_length_extra=1, min_length_ratio=0.5)
    # Sources of 1, 2 and 5 tokens: between 1 and 2, 1 and 3, 3 and 6 tokens.
    begin, middle, end = [[2, 3, 4]] * 2, [[1, 2, 3, 4]] * 2, [[1]] * 2
    assert allowed(0, [1, 2, 5], settings) == [begin, begin, begin]
    assert allowed(1, [1, 2, 5], settings) == [middle, middle, begin]
    assert allowed(2, [1, 2, 5], settings) == [end, middle, begin]
    assert allowed(3, [1, 2, 5], settings) == [end, end, middle]
    assert allowed(6, [5], settings) == [end]


def test_without_a_minimum_a_translation_may_be_empty() -> None:
    assert allowed(0, [3], SearchSettings(BOS, EOS, banned=(0, 3))) == [[[1, 2, 4]] * 2]


def test_nothing_is_banned_by_default() -> None:
    assert allowed(0, [3], SearchSettings(BOS, EOS)) == [[[0, 1, 2, 3, 4]] * 2]


@pytest.mark.parametrize("words", [5, 64, 700, 4100, 9000])
@pytest.mark.parametrize("best", [1, 2, 5, 40])
@pytest.mark.parametrize("width", [1, 3])
def test_the_best_of_many_words(words: int, best: int, width: int) -> None:
    """By sorting them all; the words beyond the last whole group are not forgotten."""
    logits = waves(9, words, phase=0.3).float()
    for row, word in enumerate([0, 1, 63, 64, words - 1, words // 2, words // 3, 127, 300]):
        logits[row, word % words] += 3.0
    logits[2::3, words - 1] += 5.0  # of the last hypothesis of a sentence: these are in no whole group
    sums = waves(9 // width, width, phase=0.9).float()
    sums[0, -1] = -torch.inf if width > 1 else 0.0  # a hypothesis that is not to go on
    expected = logits.double().log_softmax(dim=1).view(*sums.shape, words) + sums[:, :, None]
    expected[:, :, [2, 3]] = -torch.inf
    found = best_continuations(logits.clone(), Choice(sums, Best(best), EOS, banned=(2, 3)))
    ordered = expected.flatten(1).sort(dim=1, descending=True).values[:, :best].float()
    torch.testing.assert_close(found.sums, ordered)
    places = found.parents * words + found.tokens
    torch.testing.assert_close(expected.flatten(1).gather(1, places).float(), ordered)
    assert all(len(set(row)) == len(row) for row in places.tolist())


def test_logits_of_half_precision_are_normalised_in_float32() -> None:
    logits = 4.0 * waves(3, 200).bfloat16()
    found = best_continuations(logits.clone(), Choice(torch.zeros(3, 1), Best(2), EOS))
    assert found.sums.dtype == torch.float32
    torch.testing.assert_close(found.sums, logits.double().log_softmax(dim=1).topk(2).values.float())
