"""Output layer and cross-entropy in one: the logits of some tokens at a time become their own gradient in place."""

import threading
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nmt.model.fast.products import in_order, needs_gradient, product
from nmt.model.pointer import Copies

_LOGITS_AT_ONCE = 2**23  # 32 MiB in float32
_ROWS = 256  # whose logits are multiplied at once; the processor's cache still holds them when the softmax reads them
_MULTIPLE = 8  # of rows: oneDNN multiplies most other numbers of them more slowly
_FEWEST_TOKENS = 1024  # at once, however large the vocabulary: each part adds to a gradient as large as the weight


def linear_cross_entropy(
    inputs: Float[Tensor, "tokens in"],
    weight: Float[Tensor, "vocab in"],
    bias: Float[Tensor, " vocab"],
    targets: Int[Tensor, " tokens"],
    label_smoothing: float,
    copies: Copies | None = None,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Objective and negative log-likelihood, summed over the tokens; only the objective has a gradient.

    Equal to a linear layer and then `nmt.training.loss.smoothed_cross_entropy`, up to rounding; with `copies`, for
    which there is no smoothing, the log-probabilities are mixed with what can be copied.
    """
    objective: Tensor
    nll: Tensor
    if copies is None:  # every word is made, none copied
        made, copied = inputs.new_zeros(len(inputs)), inputs.new_full((len(inputs),), -torch.inf)
    else:
        made, copied = copies.made, copies.copied
    learning = needs_gradient(inputs, weight, bias, made, copied)
    objective, nll = _LinearCrossEntropy.apply(  # type: ignore[no-untyped-call]
        inputs, weight, bias, targets, label_smoothing, made, copied, learning
    )
    return objective, nll


_kept = threading.local()


def _scratch(rows: int, columns: int, like: Tensor) -> Tensor:
    """Memory of the thread, kept for the next call; a larger size replaces it. What it held is overwritten."""
    kept: dict[torch.dtype, Tensor] = vars(_kept).setdefault("by_dtype", {})
    if like.dtype not in kept or kept[like.dtype].numel() < rows * columns:
        kept.pop(like.dtype, None)
        with torch.inference_mode(False):  # it will be used in every mode
            kept[like.dtype] = like.new_empty(rows * columns)
    return kept[like.dtype][: rows * columns].view(rows, columns)


class _LinearCrossEntropy(torch.autograd.Function):
    """The gradient of a logit is the probability less the share of the target that falls on the word.

    That is times the share of the target's probability with which it is made, and not copied.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        smoothing: float,
        made: Tensor,
        copied: Tensor,
        learning: bool,
    ) -> tuple[Tensor, Tensor]:
        if learning:
            d_inputs, d_bias = torch.empty_like(inputs), torch.zeros_like(bias)
            d_weight: Tensor | None = None  # transposed
        ordered = in_order(weight)
        shares, log_probs, uniform = torch.empty_like(made), torch.empty_like(made), inputs.new_zeros(())
        rows_at_once = max(_LOGITS_AT_ONCE // len(weight), _FEWEST_TOKENS)
        for begin in range(0, len(inputs), rows_at_once):
            rows = slice(begin, begin + rows_at_once)
            wanted = targets[rows]
            some = nn.functional.pad(inputs[rows], (0, 0, 0, -len(wanted) % _MULTIPLE))  # a copy, even of all
            probabilities = _scratch(len(some), len(weight), inputs)
            for part in range(0, len(wanted), _ROWS):
                few = slice(part, part + _ROWS)
                logits = product(some[few], ordered, bias)
                torch.softmax(logits, dim=1, out=probabilities[few])
                # The most probable word tells the logarithm of the sum: its probability is never too small for one.
                log_sums = logits.amax(1) - probabilities[few].amax(1).log()
                real = len(wanted[few])
                log_probs[rows][few] = logits[:real].gather(1, wanted[few, None])[:, 0] - log_sums[:real]
                if smoothing:
                    uniform += (log_sums[:real] - logits[:real].mean(1)).sum()
            alone = made[rows] + log_probs[rows]
            torch.logaddexp(alone, copied[rows], out=log_probs[rows])
            shares[rows] = (alone - log_probs[rows]).exp()
            if not learning:
                continue
            d_logits = probabilities[: len(wanted)]
            if smoothing:
                d_logits -= smoothing / len(weight)
            d_logits[torch.arange(len(wanted), device=inputs.device), wanted] -= 1.0 - smoothing
            probabilities[len(wanted) :] = 0.0
            # The shares go to the vectors, which are shorter than the logits.
            d_inputs[rows] = product(probabilities, weight.t())[: len(wanted)] * shares[rows, None]
            some[: len(wanted)] = inputs[rows] * shares[rows, None]
            of_some = product(some.t(), probabilities.t())  # so that the larger matrix is not copied
            d_weight = of_some if d_weight is None else d_weight.add_(of_some)
            d_bias += shares[rows] @ d_logits
        if learning:
            d_weight = torch.zeros_like(weight.t()) if d_weight is None else d_weight
            ctx.save_for_backward(d_inputs, d_weight, d_bias, -shares, -(copied - log_probs).exp())
        nll = -log_probs.sum()
        ctx.mark_non_differentiable(nll)
        return (1.0 - smoothing) * nll + smoothing * uniform, nll

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_objective: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        d_inputs, transposed, d_bias, d_made, d_copied = ctx.saved_tensors
        d_weight = transposed.new_empty(transposed.shape[::-1])
        torch.mul(transposed.t(), d_objective, out=d_weight)
        d_inputs, d_bias, d_made, d_copied = (each * d_objective for each in (d_inputs, d_bias, d_made, d_copied))
        return d_inputs, d_weight, d_bias, None, None, d_made, d_copied, None
