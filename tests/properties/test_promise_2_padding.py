"""Promise 2: changing what is in the padding, or how much there is of it, changes no loss, gradient or output."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nmt.data.batch import Batch, make_batch
from nmt.model.fast.products import readable_steps
from nmt.recipe.model import EncoderOptions
from nmt.recipe.objective import ExponentialDecay
from nmt.search.types import SearchSettings
from nmt.tokenizer import BOS, EOS, PAD
from nmt.training.loss import Loss, sequence_loss
from nmt.training.minimum_risk import MinimumRisk, Sampler
from nmt.training.objective import Objective
from nmt.training.scheduled_sampling import ScheduledSampling
from tests.helpers import ATTENTIONS, MECHANISMS, POINTERS, SENTENCES, UNFED, exported_model, tiny_model

VOCAB = 9
UNROLLED: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ATTENTIONS),
    ("general", {"layers": 2, "encoder": EncoderOptions(layers=2), "bridge": "copy", "tie_output": True}),
    ("concat", {"encoder": EncoderOptions(bidirectional=False), "share_embeddings": True, "tie_output": True}),
    ("dot", {"bridge": "zero", **UNFED}),
]
NETWORKS = [*UNROLLED, *((name, {}) for name in (*MECHANISMS, *POINTERS))]
WAYS = [
    *((network, precision, False) for network in NETWORKS for precision in (torch.float64, torch.float32)),
    # The decoders of the others have one way, which is that of the readable steps.
    *((network, torch.float64, True) for network in UNROLLED),
]

words = st.lists(st.integers(4, VOCAB - 1), max_size=5)
sentence_pairs = st.lists(st.tuples(words, words), min_size=1, max_size=4)
garbage = st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=7)


def padded_with(ids: Tensor, lengths: Sequence[int], columns: int, garbage: list[int]) -> Tensor:
    """The same ids with so many more columns, and the garbage, repeated, in all of the padding."""
    wider = torch.full((len(ids), ids.shape[1] + columns), PAD)
    wider[:, : ids.shape[1]] = ids
    for row, length in enumerate(lengths):
        for place in range(length, wider.shape[1]):
            wider[row, place] = garbage[(row + place) % len(garbage)]
    return wider


def padded_twice(
    pairs: Sequence[tuple[list[int], list[int]]],
    src_columns: int,
    tgt_columns: int,
    src_garbage: list[int],
    tgt_garbage: list[int],
) -> tuple[Batch, Batch]:
    """A batch as it should be, and the same with other padding."""
    sources, targets = [source for source, _ in pairs], [target for _, target in pairs]
    plain = make_batch(sources, targets)
    src_lengths, tgt_lengths = [len(source) + 1 for source in sources], [len(target) + 1 for target in targets]
    other = Batch(
        padded_with(plain.src_ids, src_lengths, src_columns, src_garbage),
        plain.src_lengths,
        padded_with(plain.tgt_in, tgt_lengths, tgt_columns, tgt_garbage),
        padded_with(plain.tgt_out, tgt_lengths, tgt_columns, [PAD]),  # here PAD says that nothing is predicted
    )
    return plain, other


def assert_close(found: Tensor, expected: Tensor) -> None:
    rounding = 1e-12 if expected.dtype == torch.float64 else 1e-5
    torch.testing.assert_close(found, expected, rtol=rounding, atol=rounding)


@dataclass
class Pass:
    """All that comes out of a network for a batch."""

    loss: Loss
    gradients: dict[str, Tensor]
    outputs: Tensor
    weights: Tensor | None


def run(attention: str, options: dict[str, Any], batch: Batch, precision: torch.dtype, readable: bool) -> Pass:
    """One pass forwards and backwards."""
    model = tiny_model(attention, VOCAB, **options).to(precision)
    with readable_steps() if readable else nullcontext():
        loss = sequence_loss(model, batch, label_smoothing=0.0 if attention in POINTERS else 0.1)
        torch.autograd.backward(loss.objective)
        outputs, weights = model(batch.src_ids, batch.src_lengths, batch.tgt_in)
    gradients = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad  # None: what no step has used
        for name, parameter in model.named_parameters()
    }
    return Pass(loss, gradients, outputs, weights)


@pytest.mark.bare
@pytest.mark.parametrize(("network", "precision", "readable"), WAYS, ids=str)
@settings(max_examples=8)
@given(
    pairs=sentence_pairs,
    src_columns=st.integers(0, 3),
    tgt_columns=st.integers(0, 3),
    src_garbage=garbage,
    tgt_garbage=garbage,
)
def test_padding_changes_nothing(
    network: tuple[str, dict[str, Any]],
    pairs: list[tuple[list[int], list[int]]],
    src_columns: int,
    tgt_columns: int,
    src_garbage: list[int],
    tgt_garbage: list[int],
    precision: torch.dtype,
    readable: bool,
) -> None:
    """In float32, too, where oneDNN computes what torch does in float64."""
    plain, other = padded_twice(pairs, src_columns, tgt_columns, src_garbage, tgt_garbage)
    src_lengths, tgt_lengths = [len(source) + 1 for source, _ in pairs], [len(target) + 1 for _, target in pairs]
    expected, found = (run(*network, batch, precision, readable) for batch in (plain, other))
    assert_close(found.loss.objective, expected.loss.objective)
    assert_close(found.loss.nll, expected.loss.nll)
    assert found.loss.tokens == expected.loss.tokens == sum(tgt_lengths)
    for name, gradient in expected.gradients.items():
        assert_close(found.gradients[name], gradient)
    for row, (src_length, tgt_length) in enumerate(zip(src_lengths, tgt_lengths, strict=True)):
        assert_close(found.outputs[row, :tgt_length], expected.outputs[row, :tgt_length])
        if found.weights is None or expected.weights is None:
            assert network[0] in ("none", "summary")
            continue
        ours, theirs = found.weights[row, :tgt_length], expected.weights[row, :tgt_length]
        assert_close(ours[:, :src_length], theirs[:, :src_length])
        assert not ours[:, src_length:].any()


OBJECTIVES: dict[str, Objective] = {
    "scheduled sampling": ScheduledSampling(ExponentialDecay(type="exponential", base=0.5), 0.1),
    "minimum risk": MinimumRisk(
        0.5,
        Sampler(4, SearchSettings(BOS, EOS, (PAD, BOS), beam_size=1, max_length_extra=3)),
        lambda candidates, reference: [len(ids) / 20 + (ids[:1] != reference[:1]) for ids in candidates],
    ),
}


@pytest.mark.bare
@pytest.mark.parametrize("objective", OBJECTIVES)
@settings(max_examples=15)
@given(
    pairs=sentence_pairs,
    src_columns=st.integers(0, 3),
    tgt_columns=st.integers(0, 3),
    src_garbage=garbage,
    tgt_garbage=garbage,
)
def test_padding_changes_nothing_of_what_is_drawn(
    objective: str,
    pairs: list[tuple[list[int], list[int]]],
    src_columns: int,
    tgt_columns: int,
    src_garbage: list[int],
    tgt_garbage: list[int],
) -> None:
    plain, other = padded_twice(pairs, src_columns, tgt_columns, src_garbage, tgt_garbage)
    losses, gradients = [], []
    for batch in (plain, other):
        model = tiny_model("general", VOCAB).double()
        torch.manual_seed(1)
        losses.append(OBJECTIVES[objective](model, batch, 1))
        torch.autograd.backward(losses[-1].objective)
        gradients.append([parameter.grad for parameter in model.parameters()])
    expected, found = losses
    assert_close(found.objective, expected.objective)
    assert_close(found.nll, expected.nll)
    assert (found.tokens, found.terms) == (expected.tokens, expected.terms)
    for ours, theirs in zip(*gradients, strict=True):
        assert ours is not None
        assert theirs is not None
        assert_close(ours, theirs)


@pytest.mark.parametrize("attention", [*ATTENTIONS, *MECHANISMS])
def test_padding_changes_no_output_of_an_exported_model(attention: str) -> None:
    """The training's pass, by which translations are scored and aligned; promise 1 has the search."""
    model = exported_model(attention)
    plain = make_batch(SENTENCES, SENTENCES)
    lengths = [len(sentence) + 1 for sentence in SENTENCES]
    src_ids = padded_with(plain.src_ids, lengths, 2, [7, 4, 8])
    tgt_in = padded_with(plain.tgt_in, lengths, 3, [5, 8])
    expected, expected_weights = model(plain.src_ids, plain.src_lengths, plain.tgt_in)
    found, weights = model(src_ids, plain.src_lengths, tgt_in)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(found[row, :length], expected[row, :length], rtol=0, atol=1e-6)
        if weights is not None:
            ours = weights[row, :length, :length]
            torch.testing.assert_close(ours, expected_weights[row, :length, :length], rtol=0, atol=1e-6)
            assert not weights[row, :length, length:].any()
