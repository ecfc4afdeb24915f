"""Scores, masked softmax and masks against loops over the papers' formulas."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nmt.model.attention import (
    AdditiveScore,
    DotScore,
    GeneralScore,
    LocationScore,
    NormedAdditiveScore,
    ScaledScore,
    Score,
    Source,
    SummaryContext,
    masked_softmax,
)
from nmt.model.dropout import Dropout
from nmt.model.encoder import EncoderOutput
from nmt.model.mask import length_mask
from tests.helpers import Array, fill, numpy_of, numpy_softmax, waves

BATCH, QUERIES, SRC, SIZE = 2, 3, 4, 5


def scores_of(score: Score, query: Tensor, memory: Tensor) -> Tensor:
    """The scores, with the keys computed as the network computes them."""
    scores: Tensor = score(query, score.keys(memory))
    return scores


def test_length_mask_is_true_for_real_tokens_only() -> None:
    mask = length_mask(torch.tensor([3, 0, 1]), 4)
    assert mask.dtype == torch.bool
    assert mask.tolist() == [[True, True, True, False], [False] * 4, [True, False, False, False]]


def test_masked_softmax_is_the_softmax_of_the_real_positions() -> None:
    scores, lengths = 4.0 * waves(BATCH, QUERIES, SRC), [4, 2]
    weights = masked_softmax(scores, length_mask(torch.tensor(lengths), SRC))
    assert weights.dtype == torch.float64
    for row, length in enumerate(lengths):
        for query in range(QUERIES):
            expected = numpy_softmax(scores[row, query, :length].tolist())
            assert weights[row, query].tolist() == pytest.approx([*expected, *[0.0] * (SRC - length)], abs=1e-15)


@pytest.mark.parametrize("value", [3e38, -3e38, 0.0, math.inf, -math.inf, math.nan])
def test_masked_softmax_does_not_look_into_the_padding(value: float) -> None:
    scores = waves(1, 1, 3).float()
    expected = masked_softmax(scores, torch.tensor([[True, True, False]]))
    scores[0, 0, 2] = value
    assert torch.equal(masked_softmax(scores, torch.tensor([[True, True, False]])), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_masked_softmax_of_nothing_but_padding_is_zero_and_so_is_its_gradient(dtype: torch.dtype) -> None:
    scores = waves(2, 1, 3).to(dtype).requires_grad_()
    weights = masked_softmax(scores, torch.tensor([[False] * 3, [True] * 3]))
    assert weights[0].tolist() == [[0.0] * 3]
    torch.autograd.backward((weights * torch.tensor([1.0, 2.0, 3.0])).sum())
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert scores.grad[0].tolist() == [[0.0] * 3]
    assert scores.grad[1].abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_masked_softmax_computes_half_precision_in_float32(dtype: torch.dtype) -> None:
    scores = (3.0 * waves(1, 1, 50)).to(dtype)
    weights = masked_softmax(scores, torch.ones(1, 50, dtype=torch.bool))
    assert weights.dtype == torch.float32
    assert weights[0, 0].tolist() == pytest.approx(numpy_softmax(scores[0, 0].tolist()), rel=1e-5)


def test_masked_softmax_has_the_right_gradient() -> None:
    mask = length_mask(torch.tensor([3, 1, 0]), 3)
    scores = waves(3, 2, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: masked_softmax(values, mask), (scores,))


def additive_loop(score: AdditiveScore, s: Array, h: Array) -> float:
    """v' tanh(W_a s + U_a h), with a bias."""
    w_a, u_a, bias = numpy_of(score.query.weight), numpy_of(score.memory.weight), numpy_of(score.memory.bias)
    v = numpy_of(score.score.weight)[0]
    total = 0.0
    for unit in range(len(v)):
        activation = bias[unit]
        for place in range(len(s)):
            activation += w_a[unit, place] * s[place]
        for place in range(len(h)):
            activation += u_a[unit, place] * h[place]
        total += v[unit] * math.tanh(activation)
    return float(total)


def test_additive_score_is_bahdanaus_formula() -> None:
    score = fill(AdditiveScore(query_size=3, memory_size=SIZE, size=7).double())
    query, memory = waves(BATCH, QUERIES, 3), waves(BATCH, SRC, SIZE, phase=1.0)
    scores = scores_of(score, query, memory)
    for row, number, place in np.ndindex(BATCH, QUERIES, SRC):
        expected = additive_loop(score, numpy_of(query[row, number]), numpy_of(memory[row, place]))
        assert scores[row, number, place].item() == pytest.approx(expected, abs=1e-12)


def test_additive_score_is_also_luongs_concat() -> None:
    """v' tanh(W [h_t; h_s]), where W is W_a and U_a side by side."""
    score = fill(AdditiveScore(query_size=3, memory_size=SIZE, size=7).double())
    nn.init.zeros_(score.memory.bias)
    query, memory = waves(BATCH, QUERIES, 3), waves(BATCH, SRC, SIZE, phase=1.0)
    w = np.concatenate([numpy_of(score.query.weight), numpy_of(score.memory.weight)], axis=1)
    scores = scores_of(score, query, memory)
    for row, number, place in np.ndindex(BATCH, QUERIES, SRC):
        both = np.concatenate([numpy_of(query[row, number]), numpy_of(memory[row, place])])
        expected = float(numpy_of(score.score.weight)[0] @ np.tanh(w @ both))
        assert scores[row, number, place].item() == pytest.approx(expected, abs=1e-12)


def test_dot_score_is_a_sum_of_products() -> None:
    query, memory = waves(BATCH, QUERIES, SIZE), waves(BATCH, SRC, SIZE, phase=1.0)
    scores = scores_of(DotScore(), query, memory)
    for row, number, place in np.ndindex(BATCH, QUERIES, SRC):
        expected = math.fsum((query[row, number, unit] * memory[row, place, unit]).item() for unit in range(SIZE))
        assert scores[row, number, place].item() == pytest.approx(expected, abs=1e-12)


def test_general_score_is_a_bilinear_form() -> None:
    score = fill(GeneralScore(query_size=3, memory_size=SIZE).double())
    query, memory = waves(BATCH, QUERIES, 3), waves(BATCH, SRC, SIZE, phase=1.0)
    scores = scores_of(score, query, memory)
    assert list(score.state_dict()) == ["memory.weight"]  # no bias: the formula has none
    for row, number, place in np.ndindex(BATCH, QUERIES, SRC):
        expected = math.fsum(
            query[row, number, left].item() * score.memory.weight[left, right].item() * memory[row, place, right].item()
            for left in range(3)
            for right in range(SIZE)
        )
        assert scores[row, number, place].item() == pytest.approx(expected, abs=1e-12)


AnyScore = AdditiveScore | DotScore | GeneralScore | LocationScore | ScaledScore | NormedAdditiveScore

SCORES: dict[str, AnyScore] = {
    "additive": AdditiveScore(query_size=SIZE, memory_size=SIZE, size=3),
    "dot": DotScore(),
    "general": GeneralScore(query_size=SIZE, memory_size=SIZE),
    "location": LocationScore(query_size=SIZE, positions=SRC),
    "scaled": ScaledScore(query_size=SIZE, memory_size=SIZE),
    "normed": NormedAdditiveScore(query_size=SIZE, memory_size=SIZE, size=3),
}


@pytest.mark.parametrize("name", SCORES)
def test_many_queries_at_once_are_one_after_another(name: str) -> None:
    score = fill(SCORES[name].double())
    query, memory = waves(BATCH, QUERIES, SIZE), waves(BATCH, SRC, SIZE, phase=1.0)
    together = scores_of(score, query, memory)
    assert together.shape == (BATCH, QUERIES, SRC)
    for number in range(QUERIES):
        alone = scores_of(score, query[:, number : number + 1], memory)
        torch.testing.assert_close(together[:, number : number + 1], alone, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", SCORES)
def test_scores_have_the_right_gradients(name: str) -> None:
    score = fill(SCORES[name].double())
    query, memory = waves(1, 2, SIZE).requires_grad_(), waves(1, 3, SIZE, phase=1.0).requires_grad_()
    parameters = list(score.parameters())

    def apply(query: Tensor, memory: Tensor, *_: Tensor) -> Tensor:
        return scores_of(score, query, memory)

    assert torch.autograd.gradcheck(apply, (query, memory, *parameters))


@pytest.mark.parametrize("positions", [2, SRC, 9])
def test_location_score_is_a_number_for_each_position_whatever_stands_there(positions: int) -> None:
    score = fill(LocationScore(query_size=3, positions=positions).double())
    query, memory = waves(BATCH, QUERIES, 3), waves(BATCH, SRC, SIZE, phase=1.0)
    scores = scores_of(score, query, memory)
    assert torch.equal(scores, scores_of(score, query, waves(BATCH, SRC, SIZE, phase=2.0)))
    for row, number, place in np.ndindex(BATCH, QUERIES, SRC):
        expected = numpy_of(score.place.weight)[place] @ numpy_of(query[row, number]) if place < positions else -np.inf
        assert scores[row, number, place].item() == pytest.approx(float(expected), abs=1e-12)


def test_scaled_score_is_the_general_one_times_a_learned_factor() -> None:
    score, general = fill(ScaledScore(3, SIZE).double()), GeneralScore(3, SIZE).double()
    general.memory.load_state_dict(score.memory.state_dict())
    query, memory = waves(BATCH, QUERIES, 3), waves(BATCH, SRC, SIZE, phase=1.0)
    expected = score.gain * scores_of(general, query, memory)
    torch.testing.assert_close(scores_of(score, query, memory), expected, rtol=0, atol=1e-12)


def test_normed_additive_score_does_not_depend_on_the_length_of_v() -> None:
    score = fill(NormedAdditiveScore(3, SIZE, 7).double())
    query, memory = waves(BATCH, QUERIES, 3), waves(BATCH, SRC, SIZE, phase=1.0)
    scores = scores_of(score, query, memory)
    v = numpy_of(score.additive.score.weight)[0]
    factor = score.gain.item() / math.sqrt(math.fsum(value**2 for value in v))
    for row, number, place in np.ndindex(BATCH, QUERIES, SRC):
        expected = additive_loop(score.additive, numpy_of(query[row, number]), numpy_of(memory[row, place])) * factor
        assert scores[row, number, place].item() == pytest.approx(expected, abs=1e-12)
    with torch.no_grad():
        score.additive.score.weight.mul_(3.0)
    torch.testing.assert_close(scores_of(score, query, memory), scores, rtol=0, atol=1e-12)


def test_summary_context_is_the_last_state_at_every_step() -> None:
    hidden = waves(2, BATCH, SIZE)
    context, memory = SummaryContext(Dropout(0.9999999)).eval(), waves(BATCH, SRC, SIZE)
    keys = context.keys(EncoderOutput(memory, hidden, hidden))
    query = waves(BATCH * 3, 2)
    attended = context(query, Source(memory, keys, torch.ones(BATCH, SRC, dtype=torch.bool)), query[:, :0])
    assert attended.weights is None
    assert torch.equal(attended.context, hidden[-1].repeat_interleave(3, dim=0))
    assert not context.train().keys(EncoderOutput(memory, hidden, hidden)).any()  # dropped in training
