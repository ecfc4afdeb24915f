"""Optimizers and learning rates against closed formulas."""

import math

import pytest
import torch
from torch import nn

from nmt.recipe.training import TrainingOptions
from nmt.training.optim import make_optimizer, make_scheduler, scale_gradients


def rates(schedule: dict[str, object], steps: int, total: int) -> list[float]:
    options = TrainingOptions.model_validate({"learning_rate": 0.5, "optimizer": {"type": "sgd"}, "schedule": schedule})
    optimizer = make_optimizer(options, [nn.Parameter(torch.zeros(1))])
    scheduler = make_scheduler(options, optimizer, total)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()  # type: ignore[call-arg]
    return seen


def test_constant_warms_up_and_stays() -> None:
    assert rates({"type": "constant", "warmup_steps": 4}, 6, 6) == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5, 0.5])
    assert rates({"type": "constant"}, 3, 3) == [0.5, 0.5, 0.5]


def test_inverse_sqrt_peaks_at_the_end_of_the_warm_up() -> None:
    expected = [0.5 * min((step + 1) / 4, math.sqrt(4 / (step + 1))) for step in range(20)]
    assert rates({"type": "inverse_sqrt", "warmup_steps": 4}, 20, 20) == pytest.approx(expected)


def test_linear_falls_to_nothing_at_the_last_step() -> None:
    seen = rates({"type": "linear", "warmup_steps": 2}, 12, 10)
    assert seen[:3] == pytest.approx([0.25, 0.5, 0.5])
    assert seen[3:10] == pytest.approx([0.5 * (10 - step) / 8 for step in range(3, 10)])
    assert seen[10:] == [0.0, 0.0]  # never below zero, even if the training goes on


LUONG = [1.0] * 5 + [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32]  # epochs 1 to 10: section 4.1
LUONG_DROPOUT = [1.0] * 8 + [1 / 2, 1 / 4, 1 / 8, 1 / 16]  # epochs 1 to 12


@pytest.mark.parametrize(("start", "expected"), [(5, LUONG), (8, LUONG_DROPOUT)])
def test_the_rate_is_halved_after_each_epoch_from_one_on(start: int, expected: list[float]) -> None:
    seen = rates({"type": "halving", "start": start}, len(expected), 0)
    assert seen == [0.5 * factor for factor in expected]


def test_the_rate_is_halved_at_exact_steps() -> None:
    """tensorflow/nmt's luong234 for 12,000 steps: it counts thousands from step 8,000 on, and has one at 9,000."""
    seen = rates({"type": "halving", "start": 9000, "every": 1000, "unit": "steps"}, 12_000, 12_000)
    expected = [0.5 * 0.5 ** max((step - 8000) // 1000, 0) for step in range(12_000)]
    assert seen == expected
    assert [seen[step] for step in (0, 8999, 9000, 9999, 10_000, 11_000)] == [0.5, 0.5, 0.25, 0.25, 0.125, 0.0625]


@pytest.mark.parametrize(("monitor", "scores"), [("perplexity", [5.0, 6.0, 7.0]), ("bleu", [30.0, 29.0, 28.0])])
def test_plateau_lowers_the_rate_when_the_monitored_score_gets_worse(monitor: str, scores: list[float]) -> None:
    options = TrainingOptions.model_validate(
        {"learning_rate": 0.5, "monitor": monitor, "schedule": {"type": "plateau", "factor": 0.1, "patience": 1}}
    )
    optimizer = make_optimizer(options, [nn.Parameter(torch.zeros(1))])
    scheduler = make_scheduler(options, optimizer, 10)
    seen = []
    for score in scores:
        scheduler.step(score)  # type: ignore[arg-type]
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx([0.5, 0.5, 0.05])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
        ("sgd", torch.optim.SGD),
        ("adadelta", torch.optim.Adadelta),
        ("adagrad", torch.optim.Adagrad),
    ],
)
def test_every_optimizer_gets_rate_and_decay(name: str, kind: type[torch.optim.Optimizer]) -> None:
    options = TrainingOptions.model_validate(
        {"optimizer": {"type": name}, "learning_rate": 0.25, "weight_decay": 0.125}
    )
    optimizer = make_optimizer(options, [nn.Parameter(torch.zeros(1))])
    assert type(optimizer) is kind
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.param_groups[0]["weight_decay"] == 0.125


GRADIENTS = [0.5, -2.0, 0.25, 1.0]


def trajectory(**options: object) -> list[float]:
    """A weight after each of some gradients, from 1 on."""
    weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = make_optimizer(TrainingOptions.model_validate(options), [weight])
    seen = []
    for gradient in GRADIENTS:
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        seen.append(weight.item())
    return seen


def test_adadelta_is_that_of_the_paper() -> None:
    """Zeiler 2012, algorithm 1, with the values of Bahdanau et al. 2015, appendix B.2."""
    rho, epsilon = 0.95, 1e-6
    weight, squares, updates, expected = 1.0, 0.0, 0.0, []
    for gradient in GRADIENTS:
        squares = rho * squares + (1 - rho) * gradient**2
        update = -math.sqrt(updates + epsilon) / math.sqrt(squares + epsilon) * gradient
        updates = rho * updates + (1 - rho) * update**2
        weight += update
        expected.append(weight)
    assert trajectory(optimizer={"type": "adadelta"}, learning_rate=1.0) == pytest.approx(expected, rel=1e-12)


def test_adagrad_begins_with_the_given_sum() -> None:
    """Duchi et al. 2011, with the rate and the first sum of See et al. 2017."""
    weight, squares, expected = 1.0, 0.1, []
    for gradient in GRADIENTS:
        squares += gradient**2
        weight -= 0.15 * gradient / math.sqrt(squares)
        expected.append(weight)
    found = trajectory(optimizer={"type": "adagrad", "accumulator": 0.1}, learning_rate=0.15)
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("largest_norm", [None, 0.1, 100.0])
def test_gradients_are_scaled_and_clipped_as_by_torch(largest_norm: float | None) -> None:
    layers = [nn.Linear(3, 2), nn.Linear(3, 2)]
    for layer in layers:
        layer.weight.grad, layer.bias.grad = torch.arange(6.0).reshape(2, 3), None
    scale_gradients(layers[0].parameters(), 0.25, largest_norm)
    expected = layers[1].weight.grad
    assert expected is not None
    expected *= 0.25
    if largest_norm is not None:
        nn.utils.clip_grad_norm_(layers[1].parameters(), largest_norm)
    torch.testing.assert_close(layers[0].weight.grad, expected)
