"""Scheduled sampling: its decays by the paper's formulas, its words by counting them."""

import math
from collections import Counter

import pytest
import torch

from nmt.data.batch import Batch, make_batch
from nmt.recipe.objective import Decay, ExponentialDecay, InverseSigmoidDecay, LinearDecay
from nmt.tokenizer import BOS, PAD
from nmt.training.loss import sequence_loss
from nmt.training.scheduled_sampling import ScheduledSampling, mixed_words, share_of_reference
from tests.helpers import practised_model, step_log_probs, tiny_model

ROWS = 4000
NEVER = LinearDecay(type="linear", slope=1.0, offset=0.0)
ALWAYS = LinearDecay(type="linear", slope=1e-9, offset=2.0)


@pytest.mark.parametrize("step", [0, 1, 10, 250, 100_000])
def test_the_decays_are_those_of_the_paper(step: int) -> None:
    linear = LinearDecay(type="linear", offset=0.9, slope=0.01, minimum=0.2)
    assert share_of_reference(linear, step) == pytest.approx(max(0.2, 0.9 - 0.01 * step))
    assert share_of_reference(ExponentialDecay(type="exponential", base=0.99), step) == pytest.approx(0.99**step)
    expected = 100 / (100 + math.exp(step / 100)) if step < 70_000 else 0.0  # beyond there is no such exponential
    assert share_of_reference(InverseSigmoidDecay(type="inverse_sigmoid", speed=100), step) == pytest.approx(expected)


def repeated(rows: int) -> Batch:
    return make_batch([[5, 6, 7]] * rows, [[8, 4, 6]] * rows)


@torch.no_grad()
def probabilities(words: list[int]) -> list[float]:
    """Of the next word after some of the tiny model's, begin and padding left out."""
    model = tiny_model("general")
    batch = repeated(1)
    state = model.start(batch.src_ids, batch.src_lengths)
    for word in words:
        log_probs, state = step_log_probs(model, torch.tensor([word]), state)
    found = log_probs[0].exp()
    found[[PAD, BOS]] = 0.0
    return [float(value) for value in found / found.sum()]


def assert_drawn_from(words: list[int], expected: list[float]) -> None:
    """Each word as often as it should, up to five standard deviations."""
    counts = Counter(words)
    assert all(expected[word] for word in counts)
    for word, probability in enumerate(expected):
        deviation = math.sqrt(len(words) * probability * (1 - probability))
        assert abs(counts[word] - len(words) * probability) <= 5 * deviation


def test_without_the_reference_every_word_is_drawn_after_the_words_that_were_read() -> None:
    torch.manual_seed(1)
    words = mixed_words(tiny_model("general"), repeated(ROWS), 0.0)
    assert (words[:, 0] == BOS).all()
    assert_drawn_from(words[:, 1].tolist(), probabilities([BOS]))
    (most, _), *_ = Counter(words[:, 1].tolist()).most_common()
    after = words[words[:, 1] == most]
    assert len(after) > 300
    assert_drawn_from(after[:, 2].tolist(), probabilities([BOS, most]))


def test_a_coin_decides_for_each_word() -> None:
    torch.manual_seed(2)
    share = 0.3
    words = mixed_words(tiny_model("general"), repeated(ROWS), share)
    expected = [(1 - share) * probability for probability in probabilities([BOS])]
    expected[8] += share
    assert_drawn_from(words[:, 1].tolist(), expected)
    after = words[words[:, 1] == 8]
    expected = [(1 - share) * probability for probability in probabilities([BOS, 8])]
    expected[4] += share
    assert_drawn_from(after[:, 2].tolist(), expected)


def test_with_the_reference_alone_it_is_the_likelihood() -> None:
    batch = make_batch([[4, 5, 6], [7]], [[8, 4], [5, 6, 7, 4]])
    model = tiny_model("additive").double()
    found, expected = ScheduledSampling(ALWAYS, 0.1)(model, batch, 3), sequence_loss(model, batch, 0.1)
    assert found.objective.item() == expected.objective.item()
    before = torch.get_rng_state()
    assert torch.equal(mixed_words(model, batch, 1.0), batch.tgt_in)
    assert torch.equal(torch.get_rng_state(), before)  # nothing is drawn
    assert found.terms.item() == found.tokens.item() == expected.tokens.item() == 8


@pytest.mark.parametrize("training", [True, False])
def test_the_reference_is_predicted_from_the_drawn_words(training: bool) -> None:
    """By hand with the search's step; the words are found without dropout whatever the mode, which stays."""
    model = tiny_model("general", dropout=0.5).double().train(training)
    batch = make_batch([[5, 6]], [[8, 4]])
    torch.manual_seed(3)
    words = mixed_words(model, batch, 0.0)
    torch.manual_seed(3)
    assert torch.equal(mixed_words(model.eval(), batch, 0.0), words)
    torch.manual_seed(3)
    loss = ScheduledSampling(NEVER, 0.0)(model, batch, 0)
    state, expected = model.start(batch.src_ids, batch.src_lengths), 0.0
    for read, wanted in zip(words[0].tolist(), batch.tgt_out[0].tolist(), strict=True):
        log_probs, state = step_log_probs(model, torch.tensor([read]), state)
        expected -= log_probs[0, wanted].item()
    assert loss.nll.item() == pytest.approx(expected, rel=1e-12)
    torch.autograd.backward(loss.objective)
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.train(training).training == training


def test_a_model_that_knows_its_sentences_draws_them() -> None:
    model = practised_model("general")
    batch = make_batch([(6, 4)] * 50, [(4, 6)] * 50)
    torch.manual_seed(4)
    words = mixed_words(model, batch, 0.0)
    assert (words == batch.tgt_in).double().mean() > 0.5


def test_the_decay_is_asked_for_the_step() -> None:
    decay: Decay = LinearDecay(type="linear", slope=0.5, offset=1.0)
    batch, model = repeated(50), tiny_model("general").double()
    losses = []
    for step in (0, 1, 2):
        torch.manual_seed(5)
        losses.append(ScheduledSampling(decay, 0.0)(model, batch, step).nll.item())
    assert losses[0] == sequence_loss(model, batch).nll.item()
    assert len(set(losses)) == 3
