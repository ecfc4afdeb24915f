"""Output layer and cross-entropy in one: the logits of some tokens at a time become their own gradient in place."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from nmt.model.fast.products import product

_LOGITS_AT_ONCE = 2**23  # of all that are needed: 32 MiB in float32


def linear_cross_entropy(
    inputs: Float[Tensor, "tokens in"],
    weight: Float[Tensor, "vocab in"],
    bias: Float[Tensor, " vocab"],
    targets: Int[Tensor, " tokens"],
    label_smoothing: float,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Objective and negative log-likelihood, summed over the tokens; only the objective has a gradient.

    Equal to a linear layer and then `nmt.training.loss.smoothed_cross_entropy`, up to rounding.
    """
    objective: Tensor
    nll: Tensor
    objective, nll = _LinearCrossEntropy.apply(inputs, weight, bias, targets, label_smoothing)  # type: ignore[no-untyped-call]
    return objective, nll


class _LinearCrossEntropy(torch.autograd.Function):
    """The gradient of a logit is the probability less the share of the target that falls on the word."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float
    ) -> tuple[Tensor, Tensor]:
        learning = any(ctx.needs_input_grad)
        d_inputs = torch.empty_like(inputs) if learning else inputs
        d_weight = torch.zeros_like(weight.t(), memory_format=torch.contiguous_format)  # transposed
        d_bias = torch.zeros_like(bias)
        nll, uniform = inputs.new_zeros(()), inputs.new_zeros(())
        rows_at_once = max(_LOGITS_AT_ONCE // len(weight), 1)
        for begin in range(0, len(inputs), rows_at_once):
            rows = slice(begin, begin + rows_at_once)
            logits = product(inputs[rows], weight, bias)
            torch.log_softmax(logits, dim=1, out=logits)
            nll -= logits.gather(1, targets[rows, None]).sum()
            if smoothing:
                uniform -= logits.mean(1).sum()
            if not learning:
                continue
            d_logits = logits.exp_()
            if smoothing:
                d_logits -= smoothing / len(weight)
            d_logits[torch.arange(len(d_logits), device=inputs.device), targets[rows]] -= 1.0 - smoothing
            d_inputs[rows] = product(d_logits, weight.t())
            d_weight += product(inputs[rows].t(), d_logits.t())  # so that the larger matrix is not copied
            d_bias += d_logits.sum(0)
        ctx.gradients = d_inputs, d_weight.t().contiguous(), d_bias
        ctx.mark_non_differentiable(nll)
        return (1.0 - smoothing) * nll + smoothing * uniform, nll

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_objective: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        return *(gradient * d_objective for gradient in ctx.gradients), None, None
