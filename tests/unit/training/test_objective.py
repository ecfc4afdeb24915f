"""The objectives together: what the recipe names, and what all of them must do."""

from dataclasses import replace

import pytest
import torch

from nmt.data.batch import idle_batch, make_batch
from nmt.training.minimum_risk import MinimumRisk
from nmt.training.objective import Likelihood, make_objective
from nmt.training.scheduled_sampling import ScheduledSampling
from tests.fixtures_text import make_bundle

OBJECTIVES: dict[type, dict[str, object]] = {
    Likelihood: {"type": "likelihood"},
    ScheduledSampling: {"type": "scheduled_sampling", "decay": {"type": "exponential", "base": 0.5}},
    MinimumRisk: {"type": "minimum_risk", "samples": 3},
}
SOURCES, TARGETS = [[20, 21, 22], [23]], [[24, 25], [26, 27, 28]]


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_every_weight_learns_in_either_precision(kind: type, precision: torch.dtype) -> None:
    """Weights that autocast casts while words are drawn, without gradient, are not those of the training."""
    bundle = make_bundle(training={"objective": OBJECTIVES[kind]})
    objective = make_objective(bundle.recipe, bundle.tokenizers.target)
    assert type(objective) is kind
    model = bundle.model.train().requires_grad_()
    torch.manual_seed(1)
    with torch.autocast("cpu", precision, enabled=precision == torch.bfloat16):
        loss = objective(model, make_batch(SOURCES, TARGETS), 3)
    assert model.training
    assert loss.tokens.item() == 7
    assert loss.terms.item() == (2 if kind is MinimumRisk else 7)
    torch.autograd.backward(loss.objective)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_terms_can_be_sentences_whatever_is_minimised(kind: type) -> None:
    found = {}
    for normalization in ("tokens", "sentences"):
        bundle = make_bundle(training={"objective": OBJECTIVES[kind], "normalization": normalization})
        objective = make_objective(bundle.recipe, bundle.tokenizers.target)
        torch.manual_seed(1)
        found[normalization] = objective(bundle.model, make_batch(SOURCES, TARGETS), 3)
        assert objective(bundle.model, idle_batch(), 3).terms.item() == 0
    assert found["sentences"].terms.item() == 2
    assert replace(found["sentences"], terms=found["tokens"].terms) == found["tokens"]


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_the_random_state_alone_decides_what_is_drawn(kind: type) -> None:
    bundle = make_bundle(training={"objective": OBJECTIVES[kind]})
    objective, model = make_objective(bundle.recipe, bundle.tokenizers.target), bundle.model.train()
    values = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        values.append(objective(model, make_batch(SOURCES, TARGETS), 5).objective.item())
    assert values[0] == values[1] != values[2]
