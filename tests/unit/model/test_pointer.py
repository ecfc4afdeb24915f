"""The pointer-generator against loops over the equations of See et al. 2017, and far from where they are harmless."""

import math
from collections.abc import Iterator
from contextlib import nullcontext
from copy import deepcopy

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from nmt.data.batch import idle_batch, make_batch, source_tensors
from nmt.model.ensemble import Ensemble
from nmt.model.fast.cross_entropy import linear_cross_entropy
from nmt.model.fast.products import readable_steps
from nmt.model.output import OutputLayer
from nmt.model.pointer import Pointer
from nmt.model.seq2seq import Seq2Seq
from nmt.recipe.model import ModelOptions
from nmt.search.beam import beam_search
from nmt.search.types import SearchSettings
from nmt.tokenizer import BOS, EOS, PAD, UNK
from nmt.training.loss import sequence_loss
from tests.helpers import POINTERS, SENTENCES, Ids, fill, numpy_of, practised_model, sigmoid, tiny_model, waves

VOCAB = 8
SOURCES, TARGETS = [(4, 8, 5, 8), (9, 8, 6, 6, 7), (5,), ()], [(8, 4, 7), (9, 6, 1, 8), (5, 7), (6,)]


def probabilities(model: Seq2Seq, source: Ids, target: Ids) -> list[dict[int, float]]:
    """P of every word before each of the target's and its end, by equations 8 and 9, word by word.

    What looks at the source's end is no copying, and makes a word.
    """
    assert model.pointer is not None
    batch = make_batch([source], [target])
    outputs, weights = model(batch.src_ids, batch.src_lengths, batch.tgt_in)
    gate, bias = numpy_of(model.pointer.gate.weight)[0], numpy_of(model.pointer.gate.bias)[0]
    vectors = numpy_of(model.tgt_embedding.weight)
    found = []
    for step, word in enumerate([BOS, *target]):
        read = vectors[word if word < VOCAB else UNK]
        p_gen = float(sigmoid(gate @ np.concatenate([numpy_of(outputs[0, step]), read]) + bias))
        logits = numpy_of(model.output(outputs[0, step]))
        made = p_gen + (1 - p_gen) * weights[0, step, len(source)].item()  # the end is looked at, and not copied
        words = {number: made * float(p) for number, p in enumerate(np.exp(logits) / np.exp(logits).sum())}
        for place, held in enumerate(source):
            words[held] = words.get(held, 0.0) + (1 - p_gen) * weights[0, step, place].item()
        assert math.fsum(words.values()) == pytest.approx(1.0, abs=1e-12)
        found.append(words)
    return found


@pytest.mark.parametrize("name", POINTERS)
def test_loss_and_scores_are_equation_9(name: str) -> None:
    model, batch = tiny_model(name).double(), make_batch(SOURCES, TARGETS)
    expected = [
        math.log(step[word])
        for source, target in zip(SOURCES, TARGETS, strict=True)
        for step, word in zip(probabilities(model, source, target), [*target, EOS], strict=True)
    ]
    found = model.log_probs(batch.src_ids, batch.src_lengths, batch.tgt_in, batch.tgt_out, batch.tgt_out != PAD)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)
    for way in (nullcontext, readable_steps):
        with way():
            loss = sequence_loss(model, batch)
        assert loss.objective.item() == pytest.approx(-math.fsum(expected), rel=1e-12)
        assert loss.nll.item() == pytest.approx(-math.fsum(expected), rel=1e-12)
        assert loss.tokens.item() == len(expected)


@pytest.mark.bare
@pytest.mark.parametrize("way", [nullcontext, readable_steps])
@pytest.mark.parametrize("name", POINTERS)
def test_the_loss_has_the_right_gradients(name: str, way: type) -> None:
    model, batch = tiny_model(name, embedding_size=3, hidden_size=4).double(), make_batch(SOURCES, TARGETS)

    def loss(*_: Tensor) -> Tensor:
        return sequence_loss(model, batch).objective  # of the parameters that gradcheck changes

    with way():
        assert torch.autograd.gradcheck(loss, tuple(model.parameters()), fast_mode=True)
        gradients = torch.autograd.grad(loss(), list(model.parameters()))
    assert all(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("name", POINTERS)
def test_a_process_without_a_share_has_a_gradient_of_nothing_for_every_weight(name: str) -> None:
    model = tiny_model(name)
    torch.autograd.backward(sequence_loss(model, idle_batch()).objective)
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert not parameter.grad.any()


def hard_cases() -> Iterator[tuple[float, float, float, float, int]]:
    """A gate, what the words of a source and its end look like, a scale of the logits, and the target."""
    for gate in (0.0, 30.0, -30.0, 1e4, -1e4):
        for score, end in ((0.0, 0.0), (50.0, -200.0), (200.0, 0.0), (-1e4, -1e4), (0.0, 90.0), (0.0, 1e4)):
            for scale in (1.0, 1e3, 1e6):
                for target in (4, 5, 7, EOS, VOCAB):
                    yield gate, score, end, scale, target


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_loss_and_no_gradient_is_infinite(fast: bool, dtype: torch.dtype) -> None:
    """Gates of 0 and 1, attention that underflows or is all at the end, words that the source has not, any logits."""
    if fast and dtype != torch.float32:
        pytest.skip("the fast way is for float32")
    pointer, output = Pointer(3, 2, VOCAB, UNK, EOS), fill(OutputLayer(3, VOCAB, None)).to(dtype)
    cases = list(hard_cases())
    gates, scores, ends, scales = (torch.tensor(values) for values in list(zip(*cases, strict=True))[:4])
    targets = torch.tensor([target for *_, target in cases])
    leaves = gates.requires_grad_(), torch.stack([scores, -scores, ends], dim=1).requires_grad_()
    vectors = (waves(len(cases), 3).float() * scales[:, None]).to(dtype).requires_grad_()
    src_ids = torch.tensor([[4, VOCAB, EOS]]).expand(len(cases), -1)
    copies = pointer.copies(leaves[0], leaves[1].softmax(dim=1), src_ids, targets)
    if fast:
        layer = output.words
        loss, _ = linear_cross_entropy(vectors, layer.weight, layer.bias, pointer.known(targets), 0.0, copies)
    else:
        loss = -copies.mixed(output.log_probs(vectors, pointer.known(targets))).sum()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    for gradient in torch.autograd.grad(loss, [*leaves, vectors, *output.parameters()]):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("name", POINTERS)
def test_mixed_precision_is_near_float32(name: str) -> None:
    model, batch = tiny_model(name), make_batch(SOURCES, TARGETS)
    expected = sequence_loss(model, batch).nll
    with torch.autocast("cpu", torch.bfloat16):
        loss = sequence_loss(model, batch)
    assert loss.nll.dtype == loss.objective.dtype == torch.float32
    torch.testing.assert_close(loss.nll, expected, rtol=0.03, atol=0.0)
    torch.autograd.backward(loss.objective)
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def arguments(sources: list[Ids], targets: list[Ids]) -> tuple[Tensor, ...]:
    """Of `log_probs` and `copied`."""
    batch = make_batch(sources, targets)
    return batch.src_ids, batch.src_lengths, batch.tgt_in, batch.tgt_out, batch.tgt_out != PAD


def test_the_part_of_a_words_probability_that_is_copying() -> None:
    model, pairs = tiny_model("pointer").double(), arguments(SOURCES, TARGETS)
    shares, copies = model.copied(*pairs), model.predictions(*pairs).copies
    assert shares is not None
    assert copies is not None
    expected = copies.copied.exp() / model.log_probs(*pairs).exp()
    torch.testing.assert_close(shares, expected, rtol=1e-12, atol=1e-12)
    held = [[word in source for word in [*target, EOS]] for source, target in zip(SOURCES, TARGETS, strict=True)]
    assert (shares > 0).tolist() == [copied for each in held for copied in each]  # never the end
    assert (shares == 1).tolist() == (pairs[3][pairs[4]] >= VOCAB).tolist()  # what cannot be made


def test_of_models_together_it_is_that_of_their_mean() -> None:
    """Of which one copies nothing."""
    pairs = arguments([(4, 5, 6), (7,)], [(5, 6), (7, 4)])
    one, other = tiny_model("pointer").double(), tiny_model("general", VOCAB).double()
    found, share = Ensemble([other, one]).copied(*pairs), one.copied(*pairs)
    assert found is not None
    assert share is not None
    of_one, of_other = (model.log_probs(*pairs).exp() for model in (one, other))
    torch.testing.assert_close(found, share * of_one / (of_one + of_other), rtol=1e-12, atol=1e-12)
    assert other.copied(*pairs) is None
    assert Ensemble([other, other]).copied(*pairs) is None


def test_of_models_together_it_is_a_number_also_of_words_whose_probability_is_none() -> None:
    model, pairs = tiny_model("pointer"), arguments([(4, 5, 6), (7,)], [(5, 8), (6, 4)])
    with torch.no_grad():
        model.output.words.bias[4] += 1000.0  # so that of all other words that are made it is 0 in float32
    assert not model.log_probs(*pairs).exp().all()
    found, share = Ensemble([model, model]).copied(*pairs), model.copied(*pairs)
    assert found is not None
    assert share is not None
    torch.testing.assert_close(found, share)


@pytest.mark.parametrize("name", POINTERS)
def test_a_wide_beam_finds_all_words_that_can_be_made_or_copied(name: str) -> None:
    """All translations of up to two words, each with the probability of equation 9."""
    model, sources = practised_model(name), [(6, 8, 9, 5), (8, 4, 8), (5,)]
    precise = deepcopy(model).double()
    search = SearchSettings(BOS, EOS, (PAD, BOS), 200, 200, 0.0, max_length_ratio=0.0, max_length_extra=2)
    found = beam_search(model, *source_tensors(sources), search)
    for source, hypotheses in zip(sources, found, strict=True):
        words = [UNK, *range(4, VOCAB), *range(VOCAB, max(*source, VOCAB - 1) + 1)]
        everything: list[Ids] = [(), *((one,) for one in words), *((one, two) for one in words for two in words)]
        assert {tuple(hypothesis.tokens) for hypothesis in hypotheses} == set(everything)
        for hypothesis in hypotheses:
            steps = zip(
                probabilities(precise, source, tuple(hypothesis.tokens)), [*hypothesis.tokens, EOS], strict=True
            )
            expected = math.fsum(math.log(step[word]) for step, word in steps)
            assert hypothesis.log_prob == pytest.approx(expected, abs=1e-4)


def test_it_learns_to_copy_words_that_it_cannot_know() -> None:
    search = SearchSettings(BOS, EOS, (PAD, BOS))
    found = beam_search(practised_model("pointer_see"), *source_tensors(SENTENCES), search)
    held = [VOCAB in source for source in SENTENCES]
    copied = [VOCAB in hypotheses[0].tokens for hypotheses in found]
    assert any(copied)
    assert not any(there and not could for there, could in zip(copied, held, strict=True))


def test_what_cannot_be_combined_is_refused() -> None:
    for options, message in (
        ({"attention": {"type": "none"}}, "pointer: needs an attention whose weights say"),
        ({"attention": {"type": "dot", "window": {"type": "predictive"}}}, "pointer: needs weights that sum to one"),
    ):
        with pytest.raises(ValidationError, match=message):
            ModelOptions.model_validate({"pointer": True, **options})
