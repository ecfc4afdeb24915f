"""Minimum risk: against a reference in float64 with every candidate enumerated, and its gradient by differences."""

import itertools
import math
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Literal

import pytest
import sacrebleu
import torch
from torch import Tensor

from nmt.data.batch import Batch, idle_batch, make_batch
from nmt.model.seq2seq import Seq2Seq
from nmt.preparation import Preparation
from nmt.recipe.evaluation import TranslationEvaluation
from nmt.search.types import SearchSettings
from nmt.tokenizer import BOS, EOS, PAD
from nmt.training.loss import sequence_loss
from nmt.training.minimum_risk import Bleu, MinimumRisk, Sampler, candidate_log_probs, expected_costs
from tests.fixtures_text import tokenizer
from tests.helpers import (
    ATTENTIONS,
    MECHANISMS,
    POINTERS,
    SENTENCES,
    Ids,
    practised_model,
    step_log_probs,
    tiny_model,
    waves,
)

WORDS = (4, 5, 6)
ALL: list[Ids] = [ids for length in range(3) for ids in itertools.product(WORDS, repeat=length)]
SOURCES, TARGETS = [(5, 6, 7), (8,)], [(4, 6), (5,)]
SETTINGS = SearchSettings(BOS, EOS, (PAD, BOS), beam_size=1, max_length_ratio=0.0, max_length_extra=3)


def toy_cost(candidates: Sequence[Sequence[int]], reference: Sequence[int]) -> list[float]:
    """The share of places at which they differ."""
    return [
        sum(a != b for a, b in itertools.zip_longest(ids, reference)) / max(len(ids), len(reference), 1)
        for ids in candidates
    ]


def propose_all(_: Seq2Seq, batch: Batch) -> list[list[Ids]]:
    return [ALL for _ in range(len(batch))]


def log_prob(model: Seq2Seq, source: Ids, target: Ids) -> float:
    """Of a whole translation, step by step."""
    batch = make_batch([source], [target])
    state, total = model.start(batch.src_ids, batch.src_lengths), 0.0
    for word, following in itertools.pairwise([BOS, *target, EOS]):
        log_probs, state = step_log_probs(model, torch.tensor([word]), state)
        total += log_probs[0, following].item()
    return total


@torch.no_grad()
def exact_risk(model: Seq2Seq, sharpness: float) -> float:
    """The sum over sentences of sum over y of P(y)^alpha cost(y) / sum over y of P(y)^alpha."""
    total = 0.0
    for source, reference in zip(SOURCES, TARGETS, strict=True):
        weights = [math.exp(sharpness * log_prob(model, source, ids)) for ids in ALL]
        costs = toy_cost(ALL, reference)
        total += math.fsum(map(math.prod, zip(weights, costs, strict=True))) / math.fsum(weights)
    return total


@pytest.mark.parametrize("sharpness", [1.0, 0.3])
def test_the_risk_is_the_expected_cost_of_all_candidates(sharpness: float) -> None:
    model = tiny_model("general").double()
    batch = make_batch(SOURCES, TARGETS)
    loss = MinimumRisk(sharpness, propose_all, toy_cost)(model, batch, 0)
    assert loss.objective.item() == pytest.approx(exact_risk(model, sharpness), rel=1e-12)
    assert loss.nll.item() == pytest.approx(sequence_loss(model, batch).nll.item(), rel=1e-12)
    assert (loss.tokens.item(), loss.terms.item()) == (5, 2)
    assert not loss.nll.requires_grad


@pytest.mark.bare
@pytest.mark.parametrize("attention", ["general", "additive"])
def test_its_gradient_is_that_of_the_exact_risk(attention: str) -> None:
    """Central differences of the enumerated risk, for some numbers of every parameter."""
    model, sharpness, by = tiny_model(attention).double(), 0.7, 1e-5
    loss = MinimumRisk(sharpness, propose_all, toy_cost)(model, make_batch(SOURCES, TARGETS), 0)
    torch.autograd.backward(loss.objective)
    for parameter in model.parameters():
        assert parameter.grad is not None
        place = int(parameter.grad.abs().argmax())
        values, risks = parameter.data.view(-1), []
        before = values[place].item()
        for change in (by, -by):
            values[place] = before + change
            risks.append(exact_risk(model, sharpness))
        values[place] = before
        difference = (risks[0] - risks[1]) / (2 * by)
        assert parameter.grad.view(-1)[place].item() == pytest.approx(difference, rel=1e-5, abs=1e-10)


def test_expected_costs_have_the_gradient_of_the_paper() -> None:
    log_probs = (3.0 * waves(2, 4)).requires_grad_()
    costs = waves(2, 4, phase=1.0).abs()
    assert torch.autograd.gradcheck(lambda values: expected_costs(values, costs, 0.6), (log_probs,))
    risks = expected_costs(log_probs, costs, 0.6)
    (gradient,) = torch.autograd.grad(risks.sum(), log_probs)
    q = (0.6 * log_probs).exp() / (0.6 * log_probs).exp().sum(dim=1, keepdim=True)
    torch.testing.assert_close(gradient, 0.6 * q * (costs - risks[:, None]))


def test_a_sentence_may_have_fewer_candidates_than_another() -> None:
    log_probs = torch.tensor([[-1.0, -2.0, -torch.inf], [-1.0, -2.0, -3.0]], requires_grad=True)
    costs = torch.tensor([[0.2, 0.5, 0.0], [0.2, 0.5, 0.9]])
    risks = expected_costs(log_probs, costs, 1.0)
    weights = [math.exp(-1), math.exp(-2)]
    assert risks[0].item() == pytest.approx((0.2 * weights[0] + 0.5 * weights[1]) / sum(weights))
    (gradient,) = torch.autograd.grad(risks.sum(), log_probs)
    assert gradient.isfinite().all()
    assert gradient[0, 2] == 0.0


def test_candidates_of_all_sentences_are_scored_at_once() -> None:
    model = tiny_model("additive").double()
    candidates: list[list[Ids]] = [[(4,), (8, 8, 5)], [(), (6,), (7, 4)]]
    found = candidate_log_probs(model, make_batch(SOURCES, TARGETS), candidates)
    assert found.shape == (2, 3)
    assert found[0, 2] == -torch.inf
    for sentence, some in enumerate(candidates):
        for place, ids in enumerate(some):
            expected = log_prob(model, SOURCES[sentence], ids)
            assert found[sentence, place].item() == pytest.approx(expected, rel=1e-12)


CANDIDATES: list[list[Ids]] = [[(4,), (8, 8, 5), (6,)], [()], [(7, 4), (5,)]]


@pytest.mark.parametrize("name", [*ATTENTIONS, *MECHANISMS, *POINTERS])
def test_a_sentence_is_read_once_for_all_of_its_candidates(name: str) -> None:
    """With the log-probabilities and gradients that it has when it stands before each of them."""
    model, sources = tiny_model(name).double(), [*SOURCES, (4, 4, 6, 7)]
    read: list[int] = []
    model.encoder.register_forward_hook(lambda _, given, __: read.append(len(given[0])))
    found = candidate_log_probs(model, make_batch(sources, sources), CANDIDATES)
    assert read == [3]
    rows = [(source, ids) for source, some in zip(sources, CANDIDATES, strict=True) for ids in some]
    pairs = make_batch(*zip(*rows, strict=True))
    real = pairs.tgt_out != PAD
    words = model.log_probs(pairs.src_ids, pairs.src_lengths, pairs.tgt_in, pairs.tgt_out, real)
    expected = torch.stack([of_one.sum() for of_one in torch.split(words, real.sum(dim=1).tolist())])
    there = found > -torch.inf
    torch.testing.assert_close(found[there], expected, rtol=1e-12, atol=1e-12)
    factors, parameters = waves(6), list(model.parameters())
    ours, theirs = (torch.autograd.grad((factors * each).sum(), parameters) for each in (found[there], expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_no_logits_are_kept_for_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is the same however many are made at once."""
    vocab, kept, gradients = 37, list[tuple[int, ...]](), []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tuple(tensor.shape))
        return tensor

    batch = make_batch(SOURCES, TARGETS)
    for at_once in (vocab * 1000, vocab * 2):
        monkeypatch.setattr("nmt.model.output._LOGITS_AT_ONCE", {"cpu": at_once})
        model = tiny_model("general", vocab).double()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            risk = MinimumRisk(0.5, propose_all, toy_cost)(model, batch, 0).objective
        torch.autograd.backward(risk)
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert kept
    assert not [shape for shape in kept if shape[-1:] == (vocab,)]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


def test_twins_and_the_reference_count_once() -> None:
    model = tiny_model("general").double()
    batch = make_batch(SOURCES, TARGETS)
    objective = MinimumRisk(0.5, lambda *_: [[*reversed(ALL), *ALL] for _ in SOURCES], toy_cost)
    assert objective(model, batch, 0).objective.item() == pytest.approx(exact_risk(model, 0.5), rel=1e-12)
    alone = MinimumRisk(0.5, lambda *_: [[], [TARGETS[1]]], toy_cost)(model, batch, 0)
    assert alone.objective.item() == 0.0  # the reference is the only candidate, and costs nothing


def test_a_process_without_a_share_counts_nothing_but_has_every_gradient() -> None:
    model = tiny_model("general")
    loss = MinimumRisk(0.5, propose_all, toy_cost)(model, idle_batch(), 0)
    assert (loss.objective.item(), loss.nll.item(), loss.tokens.item(), loss.terms.item()) == (0.0, 0.0, 0, 0)
    torch.autograd.backward(loss.objective)
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in model.parameters())


@torch.no_grad()
def test_translations_are_drawn_as_often_as_they_are_probable() -> None:
    """Begin and padding never come, so each step's probability is divided by that of all other words."""
    model, samples = tiny_model("general", dropout=0.5).train(), 4000
    torch.manual_seed(1)
    first, second = Sampler(samples, SETTINGS)(model, make_batch(SOURCES, TARGETS))
    assert model.training
    assert len(first) == len(second) == samples
    assert max(map(len, first)) == 3  # the greatest length
    assert not {PAD, BOS, EOS} & {word for ids in first for word in ids}
    model.eval()
    for source, drawn in zip(SOURCES, (first, second), strict=True):
        for ids in [(), (4,), (8,), (7, 5)]:
            batch, probability = make_batch([source], [ids]), 1.0
            state = model.start(batch.src_ids, batch.src_lengths)
            for word, following in itertools.pairwise([BOS, *ids, EOS]):
                log_probs, state = step_log_probs(model, torch.tensor([word]), state)
                possible = 1.0 - log_probs[0, [PAD, BOS]].exp().sum().item()
                probability *= log_probs[0, following].exp().item() / possible
            deviation = math.sqrt(samples * probability)
            assert abs(drawn.count(list(ids)) - samples * probability) <= 5 * deviation + 1


@pytest.mark.bare
def test_a_model_that_has_begun_to_learn_gets_better_at_what_it_costs() -> None:
    model = deepcopy(practised_model("general")).requires_grad_()
    batch = make_batch(SENTENCES, [sentence[::-1] for sentence in SENTENCES])
    settings = SearchSettings(BOS, EOS, (PAD, BOS), beam_size=1, max_length_ratio=1.0, max_length_extra=3)
    objective = MinimumRisk(0.5, Sampler(10, settings), toy_cost)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    torch.manual_seed(1)

    def mean_cost() -> float:
        drawn = Sampler(200, settings)(model, batch)
        references = [sentence[::-1] for sentence in SENTENCES]
        costs = [sum(toy_cost(some, reference)) for some, reference in zip(drawn, references, strict=True)]
        return sum(costs) / (200 * len(SENTENCES))

    before = mean_cost()
    for step in range(30):
        optimizer.zero_grad()
        loss = objective(model, batch, step)
        torch.autograd.backward(loss.objective / loss.terms)
        optimizer.step()
    assert mean_cost() < 0.8 * before


def test_the_cost_is_one_less_smoothed_bleu_of_the_text() -> None:
    pieces, options = tokenizer(), TranslationEvaluation()
    reference, *others = pieces.encode(["am dreizehnten Mai um elf Uhr", "am dritten Mai um elf Uhr", "Mai", ""])
    costs = Bleu(pieces, options)([reference, *others], reference)
    assert costs[0] == pytest.approx(0.0)
    assert costs[3] == 1.0
    texts = pieces.decode([reference, *others])
    expected = [
        sacrebleu.sentence_bleu(text, texts[:1], smooth_method="add-k", smooth_value=1, use_effective_order=True).score
        for text in texts
    ]
    assert costs == pytest.approx([1 - score / 100 for score in expected])
    # Six words for six: five of them match, three of five pairs, two of four threes, one of three fours.
    by_hand = (5 / 6 * (3 + 1) / (5 + 1) * (2 + 1) / (4 + 1) * (1 + 1) / (3 + 1)) ** (1 / 4)
    assert costs[1] == pytest.approx(1 - by_hand)


@pytest.mark.parametrize(
    ("text", "hypothesis", "reference"),
    [
        ("raw", "eins zwei, drei vier", "eins, zwei, drei vier"),
        ("tokenized", "eins zwei , drei vier", "eins , zwei , drei vier"),
    ],
)
def test_the_cost_is_that_of_the_text_which_is_evaluated(
    text: Literal["raw", "tokenized"], hypothesis: str, reference: str
) -> None:
    """Moses sets the comma apart, and puts it back."""
    pieces = tokenizer().with_preparation(Preparation(moses=True, language="de"))
    wanted, found = pieces.encode(["eins, zwei, drei vier", "eins zwei, drei vier"])
    (cost,) = Bleu(pieces, TranslationEvaluation(text=text, bleu_tokenize="none"))([found], wanted)
    smoothing: dict[str, Any] = {"smooth_method": "add-k", "smooth_value": 1, "use_effective_order": True}
    expected = sacrebleu.sentence_bleu(hypothesis, [reference], tokenize="none", **smoothing)
    assert cost == pytest.approx(1 - expected.score / 100)
