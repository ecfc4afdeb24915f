"""The objective against torch's own and against a loop over the definition."""

import math

import pytest
import torch
from torch import nn

from nmt.data.batch import Batch, idle_batch, make_batch
from nmt.model.mask import length_mask
from nmt.tokenizer import PAD
from nmt.training.loss import coverage_loss, sequence_loss, smoothed_cross_entropy
from tests.helpers import ATTENTIONS, MECHANISMS, step_log_probs, tiny_model, waves

TARGETS = torch.tensor([3, 0, 4, 4])
LOGITS = 3.0 * waves(4, 5)


def smoothed_loop(smoothing: float) -> float:
    """Minus the sum over tokens and words of q(word) log p(word)."""
    total = 0.0
    for logits, target in zip(LOGITS.tolist(), TARGETS.tolist(), strict=True):
        normaliser = math.log(math.fsum(math.exp(logit) for logit in logits))
        for word, logit in enumerate(logits):
            q = (1 - smoothing) * (word == target) + smoothing / len(logits)
            total -= q * (logit - normaliser)
    return total


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_smoothed_cross_entropy_is_its_definition(smoothing: float) -> None:
    loss = smoothed_cross_entropy(LOGITS, TARGETS, smoothing)
    theirs = nn.functional.cross_entropy(LOGITS, TARGETS, reduction="sum", label_smoothing=smoothing)
    assert loss.objective.item() == pytest.approx(theirs.item(), rel=1e-13)
    assert loss.objective.item() == pytest.approx(smoothed_loop(smoothing), rel=1e-13)
    assert loss.nll.item() == pytest.approx(smoothed_loop(0.0), rel=1e-13)
    assert loss.tokens.item() == 4


def test_only_the_objective_is_differentiated() -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = smoothed_cross_entropy(logits, TARGETS, 0.1)
    assert loss.objective.requires_grad
    assert not loss.nll.requires_grad
    assert torch.autograd.gradcheck(lambda values: smoothed_cross_entropy(values, TARGETS, 0.1).objective, (logits,))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    logits = LOGITS.to(dtype)
    loss = smoothed_cross_entropy(logits, TARGETS, 0.1)
    expected = smoothed_cross_entropy(logits.double(), TARGETS, 0.1)
    assert loss.objective.dtype == loss.nll.dtype == torch.float32
    assert loss.objective.item() == pytest.approx(expected.objective.item(), rel=1e-6)
    assert loss.nll.item() == pytest.approx(expected.nll.item(), rel=1e-6)


def test_a_batch_is_the_sum_of_its_sentences() -> None:
    """So neither padding nor the other sentences count, and the end is a token like the others."""
    sources, targets = [[4, 5, 6], [7], [5, 5]], [[8, 4], [5, 6, 7, 4], []]
    model = tiny_model("general").double()
    together = sequence_loss(model, make_batch(sources, targets), 0.1)
    alone = [
        sequence_loss(model, make_batch([source], [target]), 0.1)
        for source, target in zip(sources, targets, strict=True)
    ]
    assert together.tokens.item() == sum(len(target) + 1 for target in targets) == sum(int(one.tokens) for one in alone)
    assert together.nll.item() == pytest.approx(math.fsum(one.nll.item() for one in alone), rel=1e-12)
    assert together.objective.item() == pytest.approx(math.fsum(one.objective.item() for one in alone), rel=1e-12)


def test_every_token_is_predicted_from_those_before_it() -> None:
    """Teacher forcing by hand: the log-probabilities of the step that the search uses."""
    model = tiny_model("additive").double()
    batch = make_batch([[4, 5]], [[8, 6]])
    state, expected = model.start(batch.src_ids, batch.src_lengths), 0.0
    for previous, following in [(2, 8), (8, 6), (6, 3)]:
        log_probs, state = step_log_probs(model, torch.tensor([previous]), state)
        expected -= log_probs[0, following].item()
    assert sequence_loss(model, batch).nll.item() == pytest.approx(expected, rel=1e-12)


def test_coverage_loss_is_equation_12() -> None:
    lengths = [4, 1, 3]
    weights = (3.0 * waves(3, 4, 5)).softmax(dim=2).requires_grad_()
    expected = 0.0
    for sentence, length in zip(weights.tolist(), lengths, strict=True):
        for step, row in enumerate(sentence[:length]):
            for place, weight in enumerate(row):
                expected += min(weight, math.fsum(before[place] for before in sentence[:step]))
    real = length_mask(torch.tensor(lengths), 4)
    assert coverage_loss(weights, real).item() == pytest.approx(expected, rel=1e-13)
    assert torch.autograd.gradcheck(lambda given: coverage_loss(given, real), (weights,))
    assert coverage_loss(weights[:, :1], real[:, :1]).item() == 0.0


@pytest.mark.parametrize("network", ["general", "see"])
def test_the_objective_has_the_coverage_loss_and_the_likelihood_has_not(network: str) -> None:
    model, batch = tiny_model(network).double(), make_batch([[4, 5, 6], [7]], [[8, 4], [5, 6, 7, 4]])
    plain, covered = sequence_loss(model, batch), sequence_loss(model, batch, coverage=0.7)
    weights = model.weights(batch.src_ids, batch.src_lengths, batch.tgt_in)
    assert weights is not None
    added = 0.7 * coverage_loss(weights, batch.tgt_out != PAD).item()
    assert covered.objective.item() == pytest.approx(plain.objective.item() + added, rel=1e-12)
    assert covered.nll.item() == plain.nll.item()
    parameters = list(model.parameters())

    def loss(*_: torch.Tensor) -> torch.Tensor:
        return sequence_loss(model, batch, coverage=0.7).objective

    assert torch.autograd.gradcheck(loss, tuple(parameters), fast_mode=True)


def test_columns_of_nothing_but_padding_count_nothing() -> None:
    batch = make_batch([[4, 5]], [[8, 6]])
    padding = torch.full((1, 2), PAD)
    wider = Batch(
        torch.cat([batch.src_ids, padding], dim=1),
        batch.src_lengths,
        torch.cat([batch.tgt_in, padding], dim=1),
        torch.cat([batch.tgt_out, padding], dim=1),
    )
    model = tiny_model("dot").double()
    ours, expected = sequence_loss(model, wider, 0.1), sequence_loss(model, batch, 0.1)
    assert ours.objective.item() == pytest.approx(expected.objective.item(), rel=1e-13)
    assert ours.tokens.item() == 3


@pytest.mark.parametrize("attention", [*ATTENTIONS, *MECHANISMS])
def test_a_process_without_a_share_has_a_gradient_of_nothing_for_every_weight(attention: str) -> None:
    """Else DDP, which waits for all of them, ends with an error."""
    model = tiny_model(attention)
    loss = sequence_loss(model, idle_batch(), 0.1)
    assert (loss.objective.item(), loss.tokens.item(), loss.terms.item()) == (0.0, 0, 0)
    torch.autograd.backward(loss.objective)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert not parameter.grad.any(), name
