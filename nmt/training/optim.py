"""Optimizers and learning rates."""

import math
from collections.abc import Callable, Iterable
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from nmt.recipe.optimizer import AdadeltaOptimizer, AdagradOptimizer, AdamOptimizer, AdamWOptimizer, SGDOptimizer
from nmt.recipe.schedule import ConstantSchedule, HalvingSchedule, InverseSqrtSchedule, LinearSchedule, PlateauSchedule
from nmt.recipe.training import TrainingOptions


def make_optimizer(options: TrainingOptions, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer that the recipe names."""
    rate, decay = options.learning_rate, options.weight_decay
    match options.optimizer:
        case AdamOptimizer():
            return torch.optim.Adam(parameters, lr=rate, weight_decay=decay, fused=True)
        case AdamWOptimizer():
            return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
        case SGDOptimizer():
            return torch.optim.SGD(parameters, lr=rate, weight_decay=decay)
        case AdadeltaOptimizer():
            return torch.optim.Adadelta(parameters, lr=rate, rho=0.95, eps=1e-6, weight_decay=decay)
        case AdagradOptimizer(accumulator=first):
            return torch.optim.Adagrad(parameters, lr=rate, weight_decay=decay, initial_accumulator_value=first)
        case _:
            assert_never(options.optimizer)


def scale_gradients(parameters: Iterable[nn.Parameter], factor: float, largest_norm: float | None) -> None:
    """Multiplies all gradients by a factor, and clips what comes of it to a norm (Pascanu et al. 2013, section 3.2)."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    scale: Tensor | float = factor
    if largest_norm:
        norm = nn.utils.get_total_norm(gradients) * factor
        scale = factor * (largest_norm / (norm + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scale)


def rate_factor(
    schedule: ConstantSchedule | InverseSqrtSchedule | LinearSchedule | HalvingSchedule, total_steps: int
) -> Callable[[int], float]:
    """What the learning rate is multiplied by at each step, or in each epoch for a schedule of these, counted from 0.

    Args:
        schedule: the recipe's.
        total_steps: optimizer steps of the whole training; only the linear schedule needs them.
    """
    match schedule:
        case ConstantSchedule(warmup_steps=warmup):
            return lambda step: _warm_up(warmup, step)
        case InverseSqrtSchedule(warmup_steps=warmup):
            return lambda step: _warm_up(warmup, step) * min(1.0, math.sqrt(warmup / (step + 1)))
        case LinearSchedule(warmup_steps=warmup):
            decaying = max(total_steps - warmup, 1)
            return lambda step: _warm_up(warmup, step) * min(1.0, max(0.0, (total_steps - step) / decaying))
        case HalvingSchedule(start=start, every=every, factor=factor):
            return lambda done: factor ** max(0, (done - start) // every + 1)
        case _:
            assert_never(schedule)


def _warm_up(steps: int, step: int) -> float:
    return min(1.0, (step + 1) / steps) if steps else 1.0


def make_scheduler(
    options: TrainingOptions, optimizer: torch.optim.Optimizer, total_steps: int
) -> LambdaLR | ReduceLROnPlateau:
    """A scheduler: of the step, or of the monitored validation score."""
    schedule = options.schedule
    if isinstance(schedule, PlateauSchedule):
        return ReduceLROnPlateau(optimizer, options.monitor_mode, factor=schedule.factor, patience=schedule.patience)
    return LambdaLR(optimizer, rate_factor(schedule, total_steps))
