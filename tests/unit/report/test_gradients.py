"""The norm of the gradient by distance: against differences of the loss, and the product of the Jacobians."""

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.model.seq2seq import Seq2Seq
from nmt.report.gradients import gradient_norms, gradients, reach
from nmt.tokenizer import BOS
from tests.fixtures_text import SOURCES, TARGETS, make_bundle
from tests.helpers import ATTENTIONS, MECHANISMS, POINTERS, numpy_of, numpy_softmax, source_batch, tiny_model

STEP = 1e-6


def _loss(model: Seq2Seq, source: tuple[Tensor, Tensor], words: Tensor, last: int) -> float:
    following = torch.tensor([[*words[0, 1:].tolist(), last]])
    return -float(model.log_probs(*source, words, following, torch.ones_like(words, dtype=torch.bool))[-1])


@torch.no_grad()
def _by_differences(model: Seq2Seq, source: tuple[Tensor, Tensor], words: Tensor, last: int) -> list[float]:
    """Moves the embedding of each word, of which no two are the same, a little to both sides in every direction."""
    norms = []
    for word in words[0].flip(0).tolist():
        row = model.tgt_embedding.weight[word]
        slopes = []
        for unit in range(len(row)):
            before = row[unit].item()
            losses = []
            for moved in (before + STEP, before - STEP):
                row[unit] = moved
                losses.append(_loss(model, source, words, last))
            row[unit] = before
            slopes.append((losses[0] - losses[1]) / (2 * STEP))
        norms.append(torch.tensor(slopes).norm().item())
    return norms


@pytest.mark.parametrize("mechanism", [*ATTENTIONS, *MECHANISMS, *POINTERS])
def test_the_norms_are_those_of_differences_of_the_loss(mechanism: str) -> None:
    model = tiny_model(mechanism, embedding_size=2).double().requires_grad_(False)
    sources = [(4, 5, 6), (8, 3, 3, 7)]
    words = [[BOS, 4, 7, 6], [BOS, 7, 5, 4]]
    last = [7, 3]
    expected = torch.tensor(
        [
            _by_differences(model, source_batch([source]), torch.tensor([row]), word)
            for source, row, word in zip(sources, words, last, strict=True)
        ]
    ).mean(dim=0)
    found = gradient_norms(model, *source_batch(sources), torch.tensor(words), torch.tensor(last))
    torch.testing.assert_close(found, expected.to(found), rtol=1e-5, atol=1e-9)
    assert not model.tgt_embedding._forward_hooks


def test_the_norms_of_the_tanh_network_are_those_of_the_product_of_its_jacobians() -> None:
    """Pascanu et al. 2013, equation 5: each step back multiplies with U' diag(1 - h^2)."""
    model = tiny_model("none", cell={"type": "rnn"}).double().requires_grad_(False)
    source, words, last = source_batch([(4, 5, 6)]), [BOS, 4, 8, 6, 5], 7
    inputs = numpy_of(model.tgt_embedding.weight)[words]
    parameters = {name: numpy_of(value) for name, value in model.named_parameters() if name.startswith("decoder.")}
    recurrent, from_inputs = (
        next(value for name, value in parameters.items() if name.endswith(end)) for end in ("weight_hh", "weight_ih")
    )
    bias = sum(value for name, value in parameters.items() if "bias_" in name)
    state = numpy_of(model.start(*source).decoder.hidden[0, 0])
    states = []
    for word in inputs:
        state = np.tanh(from_inputs @ word + recurrent @ state + bias)
        states.append(state)
    output = numpy_of(model.output.words.weight)
    probabilities = np.array(numpy_softmax((output @ state + numpy_of(model.output.words.bias)).tolist()))
    gradient = output.T @ (probabilities - np.eye(len(probabilities))[last])
    expected = []
    for state in reversed(states):
        gradient = (1 - state**2) * gradient
        expected.append(float(np.linalg.norm(from_inputs.T @ gradient)))
        gradient = recurrent.T @ gradient
    found = gradient_norms(model, *source, torch.tensor([words]), torch.tensor([last]))
    assert found.tolist() == pytest.approx(expected, rel=1e-9)


def test_shared_embeddings_are_followed_on_the_side_of_the_target() -> None:
    model = tiny_model("general", share_embeddings=True).double().requires_grad_(False)
    source, words = source_batch([(3, 3)]), torch.tensor([[BOS, 4, 5]])  # no word on both sides
    found = gradient_norms(model, *source, words, torch.tensor([6]))
    assert found.tolist() == pytest.approx(_by_differences(model, source, words, 6), rel=1e-5)


def test_the_longest_references_are_cut_to_one_length_and_what_training_drops_is_left_out() -> None:
    bundle = make_bundle(data={"max_length": 30})
    norms = reach(bundle, SOURCES[:100], TARGETS[:100])
    sources, targets = bundle.tokenizers.source.encode(SOURCES[:100]), bundle.tokenizers.target.encode(TARGETS[:100])
    ids = zip(sources, targets, strict=True)
    lengths = sorted((len(target) for source, target in ids if max(len(source), len(target)) <= 30), reverse=True)
    assert 1 < len(norms) == min(lengths[:64][-1], 30) + 1
    assert all(norm > 0 for norm in norms)
    assert reach(bundle, ["", "x " * 50], ["", "y " * 50]) == []


def test_the_table_is_relative_to_distance_0() -> None:
    section = gradients(["a", "unmeasured", "b"], [[4.0, 2.0, 1.0], [], [0.5, 0.25]])
    assert section.tables[0].header == ["run", "norm at 0", "1", "2"]
    assert section.tables[0].rows == [["a", "4", "0.5", "0.25"], ["b", "0.5", "0.5", "–"]]
    assert gradients(["a"], [[]]).tables == ()
