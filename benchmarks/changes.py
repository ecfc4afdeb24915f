"""The changes that make training and translation fast, and what stood in their place before.

`benchmarks.levers` measures what each of them gains.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nmt import batched_search
from nmt.model import decoder, int8, output, seq2seq
from nmt.model.fast import cross_entropy, dropout, layers, loops, products, tanh
from nmt.model.fast import decoder as fast_decoder
from nmt.model.pointer import Copies
from nmt.model.shortlist import Candidates
from nmt.search import picking
from nmt.training import loss, optim

Place = tuple[Any, str]
"""A module or class, and the name of what is replaced in it."""


@dataclass(frozen=True)
class Lever:
    """A change, and how to do without it.

    Attributes:
        name: what the change is.
        where: the file that makes it.
        instead: what stands in each place without it.
        predicted: whether the functions in these places can be timed alone; those of autograd cannot.
    """

    name: str
    where: str
    instead: Mapping[Place, Any]
    predicted: bool = True


def _whole_logits(
    inputs: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float, copies: Copies | None
) -> tuple[Tensor, Tensor]:
    assert copies is None  # the networks that are measured make all words
    found = loss.smoothed_cross_entropy(products.linear(inputs, weight, bias), targets, smoothing)
    return found.objective, found.nll


def _divide_and_clip(parameters: Any, factor: float, largest_norm: float) -> None:
    chosen = list(parameters)
    for parameter in chosen:
        parameter.grad.mul_(factor)
    nn.utils.clip_grad_norm_(chosen, largest_norm)


_ONEDNN = Lever(
    "oneDNN's product for every layer, without copying transposed weights",
    "fast/products.py",
    {(products, "_multiply"): nn.functional.linear}
    | {(owner, "in_order"): lambda weight: weight for owner in (products, cross_entropy)},
)
_CORES = Lever(
    "one batch for each core instead of all cores for each batch",
    "threads.py",
    {(batched_search, "uses_cores"): lambda _: False},
    predicted=False,
)
_TANH = Lever(
    "tanh as 2σ(2x) - 1: torch's logistic function is much faster than its tanh",
    "fast/tanh.py",
    {(owner, "tanh_into"): lambda out, inputs: torch.tanh(inputs, out=out) for owner in (loops, tanh)},
)

TRAINING: tuple[Lever, ...] = (
    _ONEDNN,
    Lever(
        "encoder over padded sentences by oneDNN's LSTM; one more input shuts the gates in the padding",
        "fast/encoder.py",
        {(layers, "padded_lstm"): layers._packed_lstm},
        predicted=False,
    ),
    Lever(
        "gradients of the decoder's loop by hand; products over all steps before and after it",
        "fast/decoder.py, fast/loops.py",
        {(seq2seq, "fast_unroll"): decoder.unroll},
        predicted=False,
    ),
    Lever(
        "logits of some tokens at a time, turned into their own gradient in place: never all logits, no second pass",
        "fast/cross_entropy.py",
        {(loss, "linear_cross_entropy"): _whole_logits},
        predicted=False,
    ),
    Lever(
        "tokens of the loss in multiples of eight: oneDNN takes longer for most other numbers of rows",
        "fast/cross_entropy.py",
        {(cross_entropy, "_MULTIPLE"): 1},
        predicted=False,
    ),
    _TANH,
    Lever(
        "dropout from 16 random bits a value instead of torch's draw",
        "fast/dropout.py",
        {
            (owner, "kept"): lambda like, probability: nn.functional.dropout(torch.ones_like(like), probability, True)
            for owner in (dropout, fast_decoder)
        },
    ),
    Lever(
        "gradients divided by the tokens and clipped in one pass",
        "training/optim.py",
        {(optim, "scale_gradients"): _divide_and_clip},
        predicted=False,
    ),
)
SEARCH: tuple[Lever, ...] = (
    _ONEDNN,
    Lever(
        "weights that are not trained are brought into oneDNN's order once",
        "fast/products.py",
        {(products, "_in_order"): products._dense},
        predicted=False,
    ),
    _CORES,
    Lever(
        "the best of many by the maxima of groups of 64 instead of `topk` over all",
        "search/picking.py",
        {(picking, "_top"): lambda values, k: tuple(values.topk(k))},
    ),
    _TANH,
)
EXPORTED: tuple[Lever, ...] = (
    _CORES,
    Lever(
        "a shortlist for each sentence; a batch multiplies the words of all its sentences",
        "shortlist.py",
        {(output.OutputLayer, "candidates"): lambda self, *_: Candidates(self.words)},
        predicted=False,
    ),
    Lever(
        "the shortlist's product with weights as they are, not in FBGEMM's order",
        "int8.py",
        {(int8, "_unprepared"): int8._prepare},
        predicted=False,
    ),
    _TANH,
)
