"""Length penalty, the bounds of the length, and which tokens may come next."""

import math

import pytest
import torch

from nmt.search.scoring import allowed_log_probs, length_penalty
from nmt.search.types import SearchSettings
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


def test_the_minimum_is_never_above_the_maximum() -> None:
    settings = SearchSettings(BOS, EOS, max_length_ratio=0.5, max_length_extra=1, min_length_ratio=2.0)
    assert settings.min_length(torch.tensor([1, 6])).tolist() == [1, 4]


def allowed(length: int, src_lengths: list[int], settings: SearchSettings) -> list[list[list[int]]]:
    """For each sentence and hypothesis, the tokens that may follow."""
    log_probs = waves(len(src_lengths), 2, VOCAB).float() - 2.0
    before = log_probs.clone()
    found = allowed_log_probs(log_probs, length, torch.tensor(src_lengths), settings)
    assert torch.equal(log_probs, before)
    finite = found.isfinite()
    assert torch.equal(found[finite], log_probs[finite])
    assert (found[~finite] == -torch.inf).all()
    return [[hypothesis.nonzero()[:, 0].tolist() for hypothesis in sentence] for sentence in finite]


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
