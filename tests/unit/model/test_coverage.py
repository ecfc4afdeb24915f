"""Coverage against loops over the equations of Tu et al. 2016 and See et al. 2017."""

from contextlib import nullcontext
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.model.attention import AdditiveScore, Attended, Source
from nmt.model.coverage import CoverageAttention, LinguisticCoverage, NeuralCoverage, SumCoverage, switch_coverage
from nmt.model.encoder import EncoderOutput
from nmt.model.fast.decoder import slow_part
from nmt.model.fast.products import readable_steps
from nmt.model.mask import length_mask
from tests.helpers import Array, fill, numpy_of, numpy_softmax, sigmoid, source_batch, tiny_model, waves

HIDDEN, MEMORY, SRC, LENGTHS, BEAM, STEPS = 3, 4, 5, [5, 2], 2, 3
Coverage = LinguisticCoverage | NeuralCoverage | SumCoverage
KINDS: dict[str, Coverage] = {
    "linguistic": LinguisticCoverage(MEMORY),
    "neural": NeuralCoverage(HIDDEN, MEMORY, size=2),
    "sum": SumCoverage(),
}


def made(name: str) -> CoverageAttention:
    return fill(CoverageAttention(AdditiveScore(HIDDEN, MEMORY, 6), deepcopy(KINDS[name])).double())


def covered(coverage: Coverage, before: Array, weight: float, state: Array, query: Array) -> Array:
    """The coverage of one source word after a step."""
    if isinstance(coverage, SumCoverage):
        return before + weight
    if isinstance(coverage, LinguisticCoverage):
        fertility = 2.0 * sigmoid(numpy_of(coverage.fertility.weight) @ state)
        return np.asarray(before + weight / fertility)
    read = numpy_of(coverage.memory.weight) @ state + numpy_of(coverage.memory.bias)
    read = read + numpy_of(coverage.query.weight) @ query + numpy_of(coverage.weight.weight)[:, 0] * weight
    past = numpy_of(coverage.recurrent.weight) @ before
    (z, r), size = np.split(sigmoid((read + past)[: 2 * coverage.size]), 2), coverage.size
    new = np.tanh(read[2 * size :] + r * past[2 * size :])
    return np.asarray((1 - z) * new + z * before)


@pytest.mark.parametrize("name", KINDS)
def test_coverage_is_accumulated_as_the_paper_says_and_enters_the_score(name: str) -> None:
    attention = made(name)
    mask = length_mask(torch.tensor(LENGTHS), SRC)
    memory = waves(len(LENGTHS), SRC, MEMORY, phase=4.0) * mask[:, :, None]
    source = Source(memory, attention.keys(EncoderOutput(memory, memory[None, :, 0], memory[None, :, 0])), mask)
    rows = len(LENGTHS) * BEAM
    score, seen = attention.score, attention.start(source, waves(rows, HIDDEN))
    w_a, u_a, bias = numpy_of(score.query.weight), numpy_of(score.memory.weight), numpy_of(score.memory.bias)
    v_a, v_c = numpy_of(score.score.weight)[0], numpy_of(attention.covered.weight)
    before = np.zeros((rows, SRC, attention.coverage.size))
    for step in range(STEPS):
        query = waves(rows, HIDDEN, phase=float(step))
        attended = attention(query, source, seen)
        seen = attended.seen
        assert attended.weights is not None
        for row in range(rows):
            asked, words = numpy_of(query[row]), numpy_of(memory[row // BEAM, : LENGTHS[row // BEAM]])
            scores = [
                float(v_a @ np.tanh(w_a @ asked + u_a @ word + bias + v_c @ before[row, place]))
                for place, word in enumerate(words)
            ]
            weights = numpy_softmax(scores)
            found = numpy_of(attended.weights[row])
            np.testing.assert_allclose(found[: len(words)], weights, rtol=0, atol=1e-12)
            assert not found[len(words) :].any()
            np.testing.assert_allclose(numpy_of(attended.context[row]), np.array(weights) @ words, rtol=0, atol=1e-12)
            for place, word in enumerate(words):
                before[row, place] = covered(attention.coverage, before[row, place], weights[place], word, asked)
                np.testing.assert_allclose(numpy_of(seen[row, place]), before[row, place], rtol=0, atol=1e-12)


@pytest.mark.bare
@pytest.mark.parametrize("name", KINDS)
def test_the_gradient_goes_through_all_steps(name: str) -> None:
    attention = made(name)
    mask = length_mask(torch.tensor(LENGTHS), SRC)

    def last(memory: Tensor, queries: Tensor) -> Tensor:
        source = Source(memory, attention.keys(EncoderOutput(memory, memory[None, :, 0], memory[None, :, 0])), mask)
        seen = attention.start(source, queries[0])
        for query in queries:
            attended: Attended = attention(query, source, seen)
            seen = attended.seen
        return attended.context

    leaves = waves(len(LENGTHS), SRC, MEMORY).requires_grad_(), waves(STEPS, len(LENGTHS), HIDDEN).requires_grad_()
    assert torch.autograd.gradcheck(last, leaves)


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("decoder", ["luong", "bahdanau", "see"])
@pytest.mark.parametrize("coverage", ["linguistic", "neural", "sum"])
def test_switched_off_it_is_the_attention_without_coverage(coverage: str, decoder: str, readable: bool) -> None:
    attention: dict[str, Any] = {"type": "additive", "size": 6}
    plain, covered = (
        tiny_model("additive", attention=attention | more, decoder={"type": decoder})
        for more in ({}, {"coverage": coverage})
    )
    covered.load_state_dict(plain.state_dict(), strict=False)
    batch = *source_batch([(4, 5, 6, 7), (8, 4)]), torch.tensor([[2, 5, 6, 7], [2, 8, 4, 0]])
    found = {}
    for on in (True, False):
        switch_coverage(covered, on)
        assert (slow_part(covered.decoder) is None) == (decoder != "see" and not on)
        for name, model in (("plain", plain), ("covered", covered)):
            model.zero_grad()
            with readable_steps() if readable else nullcontext():
                outputs, weights = model(*batch)
            assert weights is not None
            ((outputs * waves(*outputs.shape)).sum() + (weights * waves(*weights.shape)).sum()).backward()
            found[name, on] = outputs, weights
    same = {True: torch.equal, False: torch.allclose}[readable]
    for one, other in zip(found["plain", False], found["covered", False], strict=True):
        assert same(one, other)
    assert not torch.allclose(found["plain", True][1], found["covered", True][1])
    gradients = dict(plain.named_parameters())
    for name, weight in covered.named_parameters():
        if "attention.cover" in name:
            assert weight.grad is not None, name  # other processes wait for it
            assert not weight.grad.any()
        elif (expected := gradients[name].grad) is not None:
            torch.testing.assert_close(weight.grad, expected)
