"""Local attention against loops over the equations of Luong et al. 2015, section 3.2."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.model.attention import AdditiveScore, Attended, DotScore, GlobalAttention, Score, Source
from nmt.model.encoder import EncoderOutput
from nmt.model.local import LocalAttention, MonotonicCentre, PredictiveCentre
from nmt.model.mask import length_mask
from tests.helpers import fill, numpy_of, numpy_softmax, waves

HIDDEN, SRC, LENGTHS, BEAM = 4, 14, [14, 5, 1], 2
ROWS = len(LENGTHS) * BEAM


def source_of(score: Score) -> Source:
    mask = length_mask(torch.tensor(LENGTHS), SRC)
    memory = waves(len(LENGTHS), SRC, HIDDEN, phase=4.0) * mask[:, :, None]
    return Source(memory, score.keys(memory), mask)


def local(score: Score, width: int, predictive: bool) -> LocalAttention:
    centre = fill(PredictiveCentre(HIDDEN).double(), scale=2.0) if predictive else MonotonicCentre()
    return LocalAttention(score, centre, width, gaussian=predictive)


def expected(attention: LocalAttention, query: Tensor, source: Source, row: int, time: int) -> list[float]:
    """The weights of one row, position by position."""
    sentence, length = row // BEAM, LENGTHS[row // BEAM]
    if isinstance(attention.centre, PredictiveCentre):
        hidden = np.tanh(numpy_of(attention.centre.hidden.weight) @ numpy_of(query[row]))
        place = float(numpy_of(attention.centre.place.weight)[0] @ hidden)
        centre = length / (1.0 + math.exp(-place))  # equation 9
    else:
        centre = min(time, length - 1)
    inside = [place for place in range(length) if centre - attention.width <= place <= centre + attention.width]
    scores = attention.score(query[row][None, None], source.keys[sentence][None])[0, 0]
    weights = [0.0] * SRC
    for place, weight in zip(inside, numpy_softmax([scores[place].item() for place in inside]), strict=True):
        sigma = attention.width / 2
        factor = math.exp(-((place - centre) ** 2) / (2 * sigma**2)) if attention.gaussian else 1.0
        weights[place] = weight * factor  # equation 10
    return weights


@pytest.mark.parametrize("width", [1, 2, 3, 4, 10])
@pytest.mark.parametrize("predictive", [False, True])
@pytest.mark.parametrize("name", ["dot", "additive"])
def test_local_attention_is_section_3_2_of_the_paper(name: str, predictive: bool, width: int) -> None:
    """With windows much shorter than the source, which are gathered, and longer ones, which are not."""
    score = DotScore() if name == "dot" else fill(AdditiveScore(HIDDEN, HIDDEN, 5).double())
    attention, source = local(score, width, predictive), source_of(score)
    seen = attention.start(source, waves(ROWS, HIDDEN))
    for time in range(SRC + 2):
        query = waves(ROWS, HIDDEN, phase=float(time))
        attended = attention(query, source, seen)
        seen = attended.seen
        assert attended.weights is not None
        for row in range(ROWS):
            weights = expected(attention, query, source, row, time)
            np.testing.assert_allclose(numpy_of(attended.weights[row]), weights, rtol=0, atol=1e-12)
            context = np.array(weights) @ numpy_of(source.memory[row // BEAM])
            np.testing.assert_allclose(numpy_of(attended.context[row]), context, rtol=0, atol=1e-12)


def test_a_window_on_all_of_the_source_is_global_attention() -> None:
    attention, source = local(DotScore(), SRC, predictive=False), source_of(DotScore())
    query = waves(ROWS, HIDDEN)
    found = attention(query, source, attention.start(source, query))
    everywhere = GlobalAttention(DotScore())
    whole = everywhere(query, source, everywhere.start(source, query))
    assert found.weights is not None
    assert whole.weights is not None
    torch.testing.assert_close(found.weights, whole.weights, rtol=0, atol=1e-15)


@pytest.mark.parametrize("width", [1, 10])
def test_where_to_look_is_learned(width: int) -> None:
    """Through the Gaussian alone: the window's bounds have no gradient."""
    attention = local(DotScore(), width, predictive=True)
    memory = waves(len(LENGTHS), SRC, HIDDEN, phase=4.0)
    mask = length_mask(torch.tensor(LENGTHS), SRC)

    def context(query: Tensor, memory: Tensor) -> Tensor:
        source = Source(memory, attention.keys(EncoderOutput(memory, memory[None, :, 0], memory[None, :, 0])), mask)
        attended: Attended = attention(query, source, attention.start(source, query))
        return attended.context

    assert isinstance(attention.centre, PredictiveCentre)
    leaves = waves(ROWS, HIDDEN).requires_grad_(), memory.requires_grad_()
    assert torch.autograd.gradcheck(context, leaves)
    torch.autograd.backward(context(*leaves).sum())
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in attention.centre.parameters())
