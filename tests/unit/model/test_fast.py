"""The fast way is equal to the readable one: outputs and every gradient, for all that it claims."""

import gc
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nmt.data.batch import Batch, make_batch
from nmt.model.attention import AdditiveScore, DotScore, GeneralScore, GlobalAttention, Score, Source
from nmt.model.build import build_model
from nmt.model.decoder import (
    BahdanauDecoder,
    Decoder,
    DecoderState,
    DecoderStep,
    LuongDecoder,
    PlainDecoder,
    TanhOutput,
    unroll,
)
from nmt.model.encoder import EncoderOutput
from nmt.model.fast import cross_entropy, products
from nmt.model.fast import decoder as fast
from nmt.model.fast.cross_entropy import linear_cross_entropy
from nmt.model.fast.dropout import dropout
from nmt.model.fast.products import goes_fast, linear, product, readable_steps
from nmt.model.fast.tanh import tanh, tanh_in_place, tanh_into
from nmt.model.mask import length_mask
from nmt.model.seq2seq import Seq2Seq
from nmt.recipe.model import ModelOptions
from nmt.recipe.training import TrainingOptions
from nmt.training.loss import sequence_loss, smoothed_cross_entropy
from nmt.training.optim import make_optimizer
from tests.helpers import ATTENTIONS, UNFED, lstm_encoder, lstm_stack, step_log_probs, waves

PRECISIONS = {torch.float32: 1e-5, torch.float64: 1e-10}
BATCH, SRC, TGT, EMBEDDING, HIDDEN, MEMORY = 5, 6, 7, 8, 16, 12
LENGTHS = torch.tensor([6, 1, 3, 4, 2])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(1)


@pytest.fixture(params=PRECISIONS, ids=str)
def dtype(request: pytest.FixtureRequest) -> Iterator[torch.dtype]:
    """Both precisions, as the default, so that everything is made in it."""
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(torch.float32)


def close(found: Sequence[Tensor | None], expected: Sequence[Tensor | None], dtype: torch.dtype) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            torch.testing.assert_close(one, other, rtol=PRECISIONS[dtype], atol=PRECISIONS[dtype])


def gradients(outputs: Sequence[Tensor], leaves: Sequence[Tensor]) -> list[Tensor | None]:
    """Of a sum in which each value of the outputs counts differently."""
    torch.manual_seed(2)
    total = sum(((output * torch.randn(output.shape)).sum() for output in outputs), torch.zeros(()))
    return list(torch.autograd.grad(total, leaves, allow_unused=True))


def leaf(*shape: int) -> Tensor:
    return torch.randn(shape, requires_grad=True)


# -- products ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(), (3,), (2, 5), (0,), (1, 1, 1)])
def test_a_linear_layer(dtype: torch.dtype, shape: tuple[int, ...], bias: bool) -> None:
    leaves = [leaf(*shape, 7), leaf(4, 7)] + ([leaf(4)] if bias else [])
    results = [function(*leaves) for function in (linear, nn.functional.linear)]
    close([results[0]], [results[1]], dtype)
    close(gradients(results[:1], leaves), gradients(results[1:], leaves), dtype)


@pytest.mark.parametrize("learning", [(True, False, False), (False, True, False), (False, False, True)])
def test_each_part_of_a_linear_layer_may_learn_by_itself(learning: tuple[bool, ...]) -> None:
    parts = [
        part.requires_grad_(learns) for part, learns in zip((leaf(3, 7), leaf(4, 7), leaf(4)), learning, strict=True)
    ]
    (chosen,) = (part for part in parts if part.requires_grad)
    found, expected = linear(*parts), nn.functional.linear(*parts)
    close(gradients([found], [chosen]), gradients([expected], [chosen]), torch.float32)


def test_the_hyperbolic_tangent(dtype: torch.dtype) -> None:
    values = torch.tensor([0.0, -0.0, 1e-6, -0.3, 0.7, 5.0, -40.0, 1e30, math.inf, -math.inf, math.nan])
    torch.testing.assert_close(
        tanh(values), values.tanh(), rtol=0, atol=1e-15 if dtype == torch.float64 else 3e-7, equal_nan=True
    )
    into = values.clone()
    assert tanh_into(into, into) is into
    torch.testing.assert_close(into, tanh(values), rtol=0, atol=0, equal_nan=True)
    values = leaf(5)
    assert torch.equal(tanh(values), values.tanh())
    (gradient,) = torch.autograd.grad(tanh(values).sum(), [values])
    torch.testing.assert_close(gradient, 1 - values.detach().tanh() ** 2)
    found = tanh_in_place(1 * values)
    torch.testing.assert_close(found, values.tanh())
    (gradient,) = torch.autograd.grad((torch.arange(5) * found).sum(), [values])
    torch.testing.assert_close(gradient, torch.arange(5) * (1 - values.detach().tanh() ** 2))


def test_parts_of_matrices_multiply_like_copies() -> None:
    inputs, weight = torch.randn(9, 12), torch.randn(10, 20)
    for one, other in ((inputs[:, 2:6], weight[:, 3:7]), (inputs.t(), weight[::2, :9]), (inputs[::2], weight[:, 8:])):
        torch.testing.assert_close(product(one, other), one.clone() @ other.clone().t(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_layer_without_gradient_knows_its_weights_when_they_change(optimizer: str) -> None:
    layer = nn.Linear(7, 4)
    inputs = torch.randn(3, 7)

    def check() -> None:
        for way in (torch.no_grad, torch.inference_mode):
            with way():
                found = linear(inputs, layer.weight, layer.bias)
            torch.testing.assert_close(found, layer(inputs).detach(), rtol=1e-5, atol=1e-5)

    check()
    steps = make_optimizer(TrainingOptions.model_validate({"optimizer": {"type": optimizer}}), layer.parameters())
    for _ in range(3):
        layer.requires_grad_()
        check()
        steps.zero_grad()
        linear(inputs, layer.weight, layer.bias).square().sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
        steps.step()
        check()
        layer.requires_grad_(False)
        check()
    layer.load_state_dict({name: torch.randn_like(weight) for name, weight in layer.named_parameters()})
    check()
    layer.weight = nn.Parameter(torch.randn(5, 7))
    layer.bias = None  # type: ignore[assignment]
    check()
    layer.weight.data = torch.randn(5, 7)
    check()
    with torch.inference_mode():
        layer = nn.Linear(7, 4)
    with torch.inference_mode():
        torch.testing.assert_close(linear(inputs, layer.weight, layer.bias), layer(inputs), rtol=1e-5, atol=1e-5)


def test_the_first_use_of_a_weight_does_not_change_later_results() -> None:
    """A weight is put in order once, whatever number of rows comes first."""
    weight, rows = torch.randn(500, 300), torch.randn(64, 300)
    with torch.no_grad():
        results = []
        for first in (1, 64):
            parameter = nn.Parameter(weight.clone(), requires_grad=False)
            linear(rows[:first], parameter)
            results.append(linear(rows[:5], parameter))
    assert torch.equal(*results)


@pytest.mark.parametrize("attention", ["none", "additive", "dot", "general"])
def test_a_model_that_was_used_and_then_trained_is_used_as_trained(attention: str) -> None:
    """Fused optimizers change weights behind torch's back."""
    model = network(attention).eval().requires_grad_(False)
    batch = some_batch()

    def predict() -> Tensor:
        with torch.inference_mode():
            state = model.start(batch.src_ids, batch.src_lengths)
            return step_log_probs(model, torch.tensor([4, 5, 6]), state)[0]

    predict()
    model.requires_grad_()
    steps = make_optimizer(TrainingOptions(learning_rate=0.1), model.parameters())
    for _ in range(3):
        sequence_loss(model, batch).objective.backward()  # type: ignore[no-untyped-call]
        steps.step()
    model.requires_grad_(False)
    found = predict()
    with readable_steps():
        torch.testing.assert_close(found, predict(), rtol=1e-5, atol=1e-5)


def test_weights_that_are_replaced_again_and_again() -> None:
    """The memory of a weight that is gone may be given to the next."""
    layer = nn.Linear(40, 30).requires_grad_(False)
    inputs = torch.randn(3, 40)
    for _ in range(20):
        layer.weight.data = torch.randn(30, 40)
        layer.weight.data = torch.randn(30, 40)
        torch.testing.assert_close(linear(inputs, layer.weight, layer.bias), layer(inputs), rtol=1e-5, atol=1e-4)


def test_weights_that_become_other_parts_of_the_same_memory() -> None:
    memory, inputs = torch.randn(1000), torch.randn(3, 20)
    weight = nn.Parameter(memory[:400].view(20, 20), requires_grad=False)
    for part in (memory[100:500].view(20, 20), memory[100:500].view(20, 20).t(), memory[:600].view(30, 20)):
        linear(inputs, weight)
        weight.data = part
        torch.testing.assert_close(linear(inputs, weight), inputs @ part.t(), rtol=1e-5, atol=1e-4)


def test_small_products_are_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    multiply = products._multiply

    def listening(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        asked.append(len(inputs))
        return multiply(inputs, weight, bias)

    monkeypatch.setattr(products, "_multiply", listening)
    monkeypatch.setattr(products, "_FEWEST_NUMBERS", 40)
    weight = nn.Parameter(waves(3, 8).float(), requires_grad=False)
    for rows in (1, 4, 5, 9):
        inputs = waves(rows, 8).float()
        torch.testing.assert_close(products.linear(inputs, weight), inputs @ weight.T)
    assert asked == [5, 9]
    assert not products.in_order(weight).is_mkldnn
    assert products.in_order(torch.ones(5, 8)).is_mkldnn


def test_only_a_cpus_whole_precisions_go_fast() -> None:
    tensor = torch.zeros(1)
    assert goes_fast(tensor)
    with readable_steps():
        assert not goes_fast(tensor)
        with readable_steps():
            pass
        assert not goes_fast(tensor)
    with torch.autocast("cpu", torch.bfloat16):
        assert not goes_fast(tensor)
    assert goes_fast(tensor)
    assert goes_fast(tensor.double())
    assert not goes_fast(torch.zeros(1, device="meta"))
    assert not goes_fast(torch.zeros(1, dtype=torch.bfloat16))
    assert not goes_fast(torch.zeros(1, dtype=torch.float16))


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_network_in_half_precision_takes_its_readable_steps(attention: str) -> None:
    model, batch = network(attention).bfloat16(), some_batch()
    loss = sequence_loss(model, batch)
    with readable_steps():
        expected = sequence_loss(model, batch)
    assert loss.nll.dtype == torch.float32
    assert torch.equal(loss.nll, expected.nll)


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5])
def test_dropout(dtype: torch.dtype, probability: float) -> None:
    inputs = leaf(999, 1001)
    outputs = dropout(inputs, probability, training=True)
    lost = outputs == 0
    # Four standard deviations of a mean of a million draws.
    assert lost.double().mean().item() == pytest.approx(probability, abs=4 * (probability / 1e6) ** 0.5)
    columns = lost.double().mean(0)
    assert (columns - probability).abs().max() < 6 * (probability / 999) ** 0.5
    torch.testing.assert_close(outputs[~lost], inputs[~lost] / (1 - probability), rtol=1e-4, atol=0)
    (gradient,) = torch.autograd.grad(outputs.sum(), [inputs])
    torch.testing.assert_close(gradient, (~lost).to(dtype) / (1 - probability), rtol=1e-4, atol=0)
    torch.manual_seed(3)
    first = dropout(inputs, probability, training=True)
    torch.manual_seed(3)
    assert torch.equal(dropout(inputs, probability, training=True), first)
    assert not torch.equal(dropout(inputs, probability, training=True), first)
    assert dropout(inputs, probability, training=False) is inputs


def test_dropout_of_all_and_of_nothing() -> None:
    inputs = torch.ones(3, 5)
    assert (dropout(inputs, 0.9999999, training=True) == 0).all()
    assert dropout(inputs, 0.0, training=True) is inputs
    assert dropout(torch.ones(0, 4), 0.5, training=True).shape == (0, 4)


# -- encoder -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [LENGTHS, torch.full_like(LENGTHS, SRC)], ids=["padded", "full"])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("layers", [1, 3])
def test_the_encoder(dtype: torch.dtype, layers: int, bidirectional: bool, lengths: Tensor) -> None:
    encoder = lstm_encoder(EMBEDDING, HIDDEN, layers, bidirectional)
    embedded = leaf(BATCH, SRC, EMBEDDING)
    leaves = [embedded, *encoder.parameters()]
    results = []
    for way in (nullcontext, readable_steps):
        with way():
            encoded = encoder(embedded, lengths)
            results.append([encoded.memory, encoded.hidden, encoded.cell])
    close(results[0], results[1], dtype)
    close(gradients(results[0], leaves), gradients(results[1], leaves), dtype)


def test_the_encoders_padding_is_exactly_nothing() -> None:
    encoder = lstm_encoder(EMBEDDING, HIDDEN, 1, True)
    embedded = torch.randn(BATCH, SRC, EMBEDDING)
    before = encoder(embedded, LENGTHS)
    padding = ~length_mask(LENGTHS, SRC)
    embedded[padding] = 1e30
    after = encoder(embedded.requires_grad_(), LENGTHS)
    assert (after.memory[padding] == 0).all()
    for name in ("memory", "hidden", "cell"):
        assert torch.equal(getattr(after, name), getattr(before, name))
    (gradient,) = torch.autograd.grad(after.memory.sum() + after.cell.sum(), [embedded])
    assert (gradient[padding] == 0).all()


# -- decoder -----------------------------------------------------------------------------------------------------------


def source_of(decoder: Decoder, memory: Tensor, mask: Tensor) -> Source:
    return Source(memory, decoder.keys(EncoderOutput(memory, memory[None, :, 0], memory[None, :, 0])), mask)


def luong(score: Callable[[int], Score], feeding: bool, memory: int = MEMORY) -> Callable[[int, float], Decoder]:
    def make(layers: int, dropout: float) -> Decoder:
        cell = lstm_stack(EMBEDDING + (HIDDEN if feeding else 0), HIDDEN, layers, dropout)
        return LuongDecoder(cell, GlobalAttention(score(memory)), memory, HIDDEN, feeding)

    return make


def bahdanau(layers: int, dropout: float) -> Decoder:
    cell = lstm_stack(EMBEDDING + MEMORY, HIDDEN, layers, dropout)
    attention = GlobalAttention(AdditiveScore(HIDDEN, MEMORY, 10))
    return BahdanauDecoder(cell, attention, TanhOutput(HIDDEN, MEMORY, EMBEDDING))


def plain(layers: int, dropout: float) -> Decoder:
    return PlainDecoder(lstm_stack(EMBEDDING, HIDDEN, layers, dropout))


DECODERS: dict[str, tuple[Callable[[int, float], Decoder], int]] = {
    "plain": (plain, MEMORY),
    "bahdanau": (bahdanau, MEMORY),
    "dot": (luong(lambda _: DotScore(), False, HIDDEN), HIDDEN),
    "dot-fed": (luong(lambda _: DotScore(), True, HIDDEN), HIDDEN),
    "general": (luong(lambda memory: GeneralScore(HIDDEN, memory), False), MEMORY),
    "general-fed": (luong(lambda memory: GeneralScore(HIDDEN, memory), True), MEMORY),
    "concat": (luong(lambda memory: AdditiveScore(HIDDEN, memory, 10), False), MEMORY),
    "concat-fed": (luong(lambda memory: AdditiveScore(HIDDEN, memory, 10), True), MEMORY),
}


# A dropout of nearly 1 leaves nothing of the lower layers, whatever is drawn; so the draws need not be the same.
@pytest.mark.parametrize(("layers", "dropout"), [(1, 0.0), (3, 0.0), (2, 0.9999999)])
@pytest.mark.parametrize("name", DECODERS)
def test_the_decoders(dtype: torch.dtype, name: str, layers: int, dropout: float) -> None:
    make, width = DECODERS[name]
    decoder = make(layers, dropout)
    assert isinstance(decoder, nn.Module)
    memory, embedded = leaf(BATCH, SRC, width), leaf(BATCH, TGT, EMBEDDING)
    hidden, cell = leaf(layers, BATCH, HIDDEN), leaf(layers, BATCH, HIDDEN)
    mask = length_mask(LENGTHS, SRC)
    start = decoder.start(hidden, cell, source_of(decoder, memory, mask))
    feed = leaf(*start.feed.shape)
    leaves = [memory, embedded, hidden, cell, *([feed] if feed.numel() else []), *decoder.parameters()]
    results = []
    for way, unrolled in ((nullcontext, fast.unroll), (readable_steps, unroll)):
        with way():
            source = source_of(decoder, memory, mask)
            outputs, weights = unrolled(decoder, embedded, replace(start, feed=feed), source)
        results.append([outputs] if weights is None else [outputs, weights])
    close(results[0], results[1], dtype)
    close(gradients(results[0], leaves), gradients(results[1], leaves), dtype)


def test_dropout_between_layers_is_drawn_for_each_step_and_row() -> None:
    """Rows that are alike are not after it."""
    decoder = plain(2, 0.5)
    fed = luong(lambda _: DotScore(), True, HIDDEN)(2, 0.5)
    for one, width in ((decoder, MEMORY), (fed, HIDDEN)):
        embedded, zeros = torch.randn(1, TGT, EMBEDDING).expand(BATCH, -1, -1), torch.zeros(2, BATCH, HIDDEN)
        source = Source(torch.randn(BATCH, SRC, width), torch.randn(BATCH, SRC, width), length_mask(LENGTHS, SRC))
        outputs, _ = fast.unroll(one, embedded, one.start(zeros, zeros, source), source)
        assert not torch.equal(outputs[0], outputs[1])


@pytest.mark.bare
@pytest.mark.parametrize("name", ["general-fed", "concat", "bahdanau", "plain"])
def test_dropout_between_layers_has_its_gradient(name: str) -> None:
    """Against differences, with the same draws each time."""
    make, width = DECODERS[name]
    decoder = make(3, 0.5)
    assert isinstance(decoder, nn.Module)
    decoder.double()
    sizes = ((2, 3, width), (2, 4, EMBEDDING), (3, 2, HIDDEN), (3, 2, HIDDEN))
    leaves = [torch.randn(size, dtype=torch.float64, requires_grad=True) for size in sizes]

    def outputs(memory: Tensor, embedded: Tensor, hidden: Tensor, cell: Tensor) -> Tensor:
        torch.manual_seed(4)
        source = source_of(decoder, memory, length_mask(torch.tensor([3, 2]), 3))
        return fast.unroll(decoder, embedded, decoder.start(hidden, cell, source), source)[0]

    assert torch.autograd.gradcheck(outputs, leaves)


@pytest.mark.parametrize("name", ["general-fed", "concat", "bahdanau"])
def test_what_changes_before_backward_is_an_error_and_no_wrong_gradient(name: str) -> None:
    make, width = DECODERS[name]
    decoder = make(1, 0.0)
    assert isinstance(decoder, nn.Module)
    for change in ("weights", "outputs"):
        memory, zeros = leaf(BATCH, SRC, width), torch.zeros(1, BATCH, HIDDEN)
        source = source_of(decoder, memory, length_mask(LENGTHS, SRC))
        outputs, weights = fast.unroll(
            decoder, leaf(BATCH, TGT, EMBEDDING), decoder.start(zeros, zeros, source), source
        )
        assert weights is not None
        changed = weights if change == "weights" else source.memory
        with torch.no_grad():
            changed.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            outputs.sum().backward()  # type: ignore[no-untyped-call]


class Scaled(DotScore):
    """A score of which the fast way does not know."""

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return super().forward(query, keys) * 3.0


def test_a_score_that_is_not_claimed_takes_its_readable_step() -> None:
    decoder = luong(lambda _: Scaled(), True, HIDDEN)(1, 0.0)
    memory, embedded, zeros = (
        torch.randn(BATCH, SRC, HIDDEN),
        torch.randn(BATCH, TGT, EMBEDDING),
        torch.zeros(1, BATCH, HIDDEN),
    )
    source = Source(memory, memory, length_mask(LENGTHS, SRC))
    assert fast.slow_part(decoder) == "Scaled"
    outputs, _ = fast.unroll(decoder, embedded, decoder.start(zeros, zeros, source), source)
    expected, _ = unroll(decoder, embedded, decoder.start(zeros, zeros, source), source)
    torch.testing.assert_close(outputs, expected)


def test_a_decoder_that_is_not_claimed_takes_its_readable_step() -> None:
    class Other:
        def keys(self, encoded: EncoderOutput) -> Tensor:
            return encoded.memory

        def start(self, hidden: Tensor, cell: Tensor, source: Source) -> DecoderState:
            return DecoderState(hidden, cell, hidden[0], hidden[0], hidden)

        def step(self, embedded: Tensor, state: DecoderState, source: Source) -> DecoderStep:
            return DecoderStep(embedded, None, state)

    source = Source(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), torch.ones(1, 1, dtype=torch.bool))
    zeros = torch.zeros(1, 1, 1)
    embedded = torch.arange(6.0).reshape(1, 3, 2)
    decoder = Other()
    assert fast.slow_part(decoder) == "Other"
    outputs, weights = fast.unroll(decoder, embedded, decoder.start(zeros, zeros, source), source)
    assert torch.equal(outputs, embedded)
    assert weights is None


# -- loss --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("tokens", [1, 50])
def test_cross_entropy(dtype: torch.dtype, tokens: int, smoothing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts of several sizes, smaller and larger than the one before, and these again in parts."""
    monkeypatch.setattr(cross_entropy, "_FEWEST_TOKENS", 1)
    monkeypatch.setattr(cross_entropy, "_ROWS", 5)
    leaves = leaf(tokens, 6), leaf(11, 6), leaf(11)
    targets = torch.arange(tokens) % 11
    expected = smoothed_cross_entropy(nn.functional.linear(*leaves), targets, smoothing)
    wanted = gradients([expected.objective], leaves)
    for rows in (13, 20):
        monkeypatch.setattr(cross_entropy, "_LOGITS_AT_ONCE", 11 * rows)
        found, nll = linear_cross_entropy(*leaves, targets, smoothing)
        close([found, nll], [expected.objective, expected.nll], dtype)
        close(gradients([found], leaves), wanted, dtype)
        with torch.no_grad():
            close(linear_cross_entropy(*leaves, targets, smoothing), [found.detach(), nll], dtype)


def test_cross_entropy_without_gradient_multiplies_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(*given: Tensor) -> Tensor:
        calls.append(1)
        return product(*given)

    monkeypatch.setattr(cross_entropy, "product", counted)
    leaves, targets = (leaf(5, 6), leaf(11, 6), leaf(11)), torch.arange(5)
    with torch.no_grad():
        linear_cross_entropy(*leaves, targets, 0.1)
    assert len(calls) == 1
    linear_cross_entropy(*leaves, targets, 0.1)
    assert len(calls) == 1 + 3


# -- all together ------------------------------------------------------------------------------------------------------


def network(attention: str, **options: Any) -> Seq2Seq:
    sizes = {"embedding_size": 8, "hidden_size": 8, "dropout": 0.0}
    return build_model(ModelOptions.model_validate(sizes | ATTENTIONS[attention] | options), 13, 13)


def some_batch() -> Batch:
    return make_batch([[4, 5, 6, 7], [6], [8, 9]], [[5, 7], [4, 6, 12, 9, 8], [10]])


@pytest.mark.parametrize(
    ("attention", "options"),
    [
        ("none", {"layers": 2, "bridge": "copy", "encoder": {"layers": 2}}),
        ("additive", {"layers": 2}),
        ("dot", {"tie_output": True, "share_embeddings": True}),
        ("general", {"tie_output": True, "embedding_size": 6}),
        ("concat", {"bridge": "zero"}),
        ("general", {**UNFED, "layers": 2}),
    ],
)
def test_the_loss_of_a_network(dtype: torch.dtype, attention: str, options: dict[str, Any]) -> None:
    model = network(attention, **options)
    leaves = list(model.parameters())
    results: list[list[Tensor | None]] = []
    for way in (nullcontext, readable_steps):
        with way():
            loss = sequence_loss(model, some_batch(), label_smoothing=0.1)
            results.append([loss.objective.detach(), loss.nll, *gradients([loss.objective], leaves)])
    close(results[0], results[1], dtype)


@pytest.mark.parametrize(("attention", "options"), [("general", {}), ("additive", {}), ("concat", UNFED)])
def test_the_buffers_of_a_loop_are_freed_after_backward_while_the_loss_lives(
    attention: str, options: dict[str, Any]
) -> None:
    loss = sequence_loss(network(attention, **options), some_batch()).objective
    nodes: list[Any] = [loss.grad_fn]
    for node in nodes:
        nodes += [after for after, _ in node.next_functions if after is not None and after not in nodes]
    (loop,) = (node for node in nodes if "Loop" in node.name())
    assert len(loop.saved_tensors) > 5
    loss.backward()  # type: ignore[no-untyped-call]
    with pytest.raises(RuntimeError, match="freed"):
        _ = loop.saved_tensors
    left: list[Tensor] = []
    fast._put_away(loop.parts, left)
    assert not left


@pytest.mark.parametrize(
    ("attention", "options"),
    [("general", {}), ("additive", {}), ("concat", UNFED), ("none", {})],
)
def test_nothing_is_kept_after_a_step(attention: str, options: dict[str, Any]) -> None:
    """What a graph holds is freed with it, without waiting for the garbage collector."""
    model = network(attention, **options)
    sequence_loss(model, some_batch()).objective.backward()  # type: ignore[no-untyped-call]
    gc.collect()
    gc.disable()
    try:
        before = sum(issubclass(type(found), Tensor) for found in gc.get_objects())
        for _ in range(3):
            model.zero_grad()
            sequence_loss(model, some_batch()).objective.backward()  # type: ignore[no-untyped-call]
        assert sum(issubclass(type(found), Tensor) for found in gc.get_objects()) <= before
    finally:
        gc.enable()
