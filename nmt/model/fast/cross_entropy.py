"""Output layer and cross-entropy in one: the logits of some tokens at a time become their own gradient in place."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nmt.model.fast.products import in_order, needs_gradient, product

_LOGITS_AT_ONCE = 2**23 - 2**16  # a little less than 32 MiB in float32, so that they stay with the process
_MULTIPLE = 8  # of rows: oneDNN multiplies most other numbers of them more slowly
_FEWEST_TOKENS = 1024  # at once, however large the vocabulary: each part adds to a gradient as large as the weight


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
    learning = needs_gradient(inputs, weight, bias)
    objective, nll = _LinearCrossEntropy.apply(  # type: ignore[no-untyped-call]
        inputs, weight, bias, targets, label_smoothing, learning
    )
    return objective, nll


class _LinearCrossEntropy(torch.autograd.Function):
    """The gradient of a logit is the probability less the share of the target that falls on the word."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float, learning: bool
    ) -> tuple[Tensor, Tensor]:
        if learning:
            d_inputs, d_bias = torch.empty_like(inputs), torch.zeros_like(bias)
            d_weight = torch.zeros_like(weight.t(), memory_format=torch.contiguous_format)  # transposed
            ctx.save_for_backward(d_inputs, d_weight, d_bias)
        ordered = in_order(weight)
        nll, uniform = inputs.new_zeros(()), inputs.new_zeros(())
        rows_at_once = max(_LOGITS_AT_ONCE // len(weight), _FEWEST_TOKENS)
        for begin in range(0, len(inputs), rows_at_once):
            rows = slice(begin, begin + rows_at_once)
            some = inputs[rows]
            padded = nn.functional.pad(some, (0, 0, 0, -len(some) % _MULTIPLE))
            everything = product(padded, ordered, bias)
            logits = everything[: len(some)]
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
            everything[len(some) :] = 0.0
            d_inputs[rows] = product(everything, weight.t())[: len(some)]
            d_weight += product(padded.t(), everything.t())  # so that the larger matrix is not copied
            d_bias += d_logits.sum(0)
        ctx.mark_non_differentiable(nll)
        return (1.0 - smoothing) * nll + smoothing * uniform, nll

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_objective: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        d_inputs, transposed, d_bias = ctx.saved_tensors
        d_weight = transposed.new_empty(transposed.shape[::-1])
        torch.mul(transposed.t(), d_objective, out=d_weight)
        return d_inputs * d_objective, d_weight, d_bias * d_objective, None, None, None
