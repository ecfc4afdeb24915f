"""The decoders against torch's LSTM and against transcriptions of the papers' equations."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nmt.data.batch import make_batch
from nmt.model.attention import AdditiveScore, DotScore, GeneralScore, GlobalAttention, Source
from nmt.model.cells import BahdanauGRUCell, StackedCell
from nmt.model.decoder import (
    BahdanauDecoder,
    ConditionalDecoder,
    CopyBridge,
    Decoder,
    DecoderState,
    GnmtDecoder,
    LinearBridge,
    LuongDecoder,
    MaxoutOutput,
    MeanBridge,
    PlainDecoder,
    SeeDecoder,
    TanhOutput,
    ZeroBridge,
    unroll,
)
from nmt.model.encoder import EncoderOutput
from nmt.model.fast.layers import LSTMCell
from nmt.model.intra import IntraAttention
from nmt.training.loss import sequence_loss
from tests.helpers import (
    ATTENTIONS,
    MECHANISMS,
    UNFED,
    Array,
    fill,
    lstm_stack,
    numpy_lstm_cell,
    numpy_of,
    numpy_softmax,
    sigmoid,
    step_log_probs,
    tiny_model,
    waves,
)

EMBEDDING, HIDDEN, MEMORY, SRC, TGT = 4, 3, 5, 4, 3
LENGTHS = [4, 2]
MASK = torch.tensor([[True] * 4, [True, True, False, False]])
ScoreFunction = Callable[[Array, Array], float]


def first_state(decoder: PlainDecoder | LuongDecoder | BahdanauDecoder, layers: int) -> DecoderState:
    hidden, cell = waves(layers, len(LENGTHS), HIDDEN, phase=2.0), waves(layers, len(LENGTHS), HIDDEN, phase=3.0)
    return decoder.start(hidden, cell, Source(hidden.transpose(0, 1), hidden.transpose(0, 1), MASK[:, :layers]))


def source_of(decoder: Decoder, memory_size: int = MEMORY) -> Source:
    memory = waves(len(LENGTHS), SRC, memory_size, phase=4.0) * MASK[:, :, None]
    last = memory[None, :, 0]
    return Source(memory, decoder.keys(EncoderOutput(memory, last, last)), MASK)


def close(found: Tensor, expected: Array) -> None:
    np.testing.assert_allclose(numpy_of(found), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2])
def test_plain_decoder_is_torchs_lstm(layers: int) -> None:
    decoder = fill(PlainDecoder(lstm_stack(EMBEDDING, HIDDEN, layers, dropout=0.4)).double()).eval()
    lstm = nn.LSTM(EMBEDDING, HIDDEN, layers, batch_first=True).double()
    lstm.load_state_dict(
        {
            f"{name}_l{layer}": weight
            for layer, cell in enumerate(decoder.cell.cells)
            for name, weight in cell.named_parameters()
        }
    )
    state = first_state(decoder, layers)
    embedded = waves(len(LENGTHS), TGT, EMBEDDING)
    outputs, weights = unroll(decoder, embedded, state, source_of(decoder))
    expected, (hidden, cell) = lstm(embedded, (state.hidden, state.cell))
    assert weights is None
    torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-13)
    for word in embedded.unbind(1):
        state = decoder.step(word, state, source_of(decoder)).state
    torch.testing.assert_close(state.hidden, hidden, rtol=0, atol=1e-13)
    torch.testing.assert_close(state.cell, cell, rtol=0, atol=1e-13)


def test_dropout_between_the_layers_leaves_the_recurrence_alone() -> None:
    """Zaremba et al. 2014: only what goes up from a layer to the next is dropped."""
    cell = fill(lstm_stack(EMBEDDING, HIDDEN, 2, dropout=0.999999).double()).train()
    state = first_state(PlainDecoder(cell), 2)
    embedded = waves(len(LENGTHS), EMBEDDING)
    hidden, memory, _ = cell(embedded, state.hidden, state.cell, state.masks)
    for row in range(len(LENGTHS)):
        inputs = [numpy_of(embedded[row]), np.zeros(HIDDEN)]  # the upper layer reads nothing but its own past
        for layer, lower in enumerate(inputs):
            part = cell.cells[layer]
            assert isinstance(part, nn.LSTMCell)
            past = numpy_of(state.hidden[layer, row]), numpy_of(state.cell[layer, row])
            expected = numpy_lstm_cell(part, lower, *past)
            close(hidden[layer, row], expected[0])
            close(memory[layer, row], expected[1])


def stacked(cells: nn.ModuleList, x: Array, hidden: list[Array], memory: list[Array]) -> Array:
    """One step of a stack of LSTM layers for one row; changes the states, returns the top one."""
    for layer, cell in enumerate(cells):
        assert isinstance(cell, nn.LSTMCell)
        hidden[layer], memory[layer] = numpy_lstm_cell(cell, x, hidden[layer], memory[layer])
        x = hidden[layer]
    return x


def context_of(score: ScoreFunction, query: Array, states: Array) -> tuple[Array, list[float]]:
    """The weighted mean of the states of the real source positions, and the weights."""
    weights = numpy_softmax([score(query, state) for state in states])
    return np.asarray(np.array(weights) @ states, dtype=np.float64), weights


def luong_scores() -> dict[str, tuple[nn.Module, ScoreFunction]]:
    """The three scores of equation 8, as modules and as functions of h_t and h_s."""
    general = fill(GeneralScore(HIDDEN, MEMORY).double())
    concat = fill(AdditiveScore(HIDDEN, MEMORY, 6).double())
    nn.init.zeros_(concat.memory.bias)
    w_a = numpy_of(general.memory.weight)
    w_concat = np.concatenate([numpy_of(concat.query.weight), numpy_of(concat.memory.weight)], axis=1)
    v_a = numpy_of(concat.score.weight)[0]
    return {
        "dot": (DotScore(), lambda h_t, h_s: float(h_t @ h_s)),
        "general": (general, lambda h_t, h_s: float(h_t @ w_a @ h_s)),
        "concat": (concat, lambda h_t, h_s: float(v_a @ np.tanh(w_concat @ np.concatenate([h_t, h_s])))),
    }


@pytest.mark.parametrize("name", ["dot", "general", "concat"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("input_feeding", [False, True])
def test_luong_decoder_is_section_3_of_the_paper(name: str, layers: int, input_feeding: bool) -> None:
    score, score_function = luong_scores()[name]
    memory_size = HIDDEN if name == "dot" else MEMORY
    cell = lstm_stack(EMBEDDING + (HIDDEN if input_feeding else 0), HIDDEN, layers, dropout=0.0)
    attention = GlobalAttention(score)  # type: ignore[arg-type]  # a module that is one
    decoder = LuongDecoder(cell, attention, memory_size, HIDDEN, input_feeding).double()
    fill(decoder.combine, scale=0.9)
    fill(decoder.cell)
    state, source, embedded = first_state(decoder, layers), source_of(decoder, memory_size), waves(2, TGT, EMBEDDING)
    outputs, weights = unroll(decoder, embedded, state, source)
    assert weights is not None
    w_c = numpy_of(decoder.combine.weight)
    for row, length in enumerate(LENGTHS):
        hidden, memory = [*numpy_of(state.hidden[:, row])], [*numpy_of(state.cell[:, row])]
        attentional = np.zeros(HIDDEN)
        for position in range(TGT):
            word = numpy_of(embedded[row, position])
            h_t = stacked(cell.cells, np.concatenate([word, attentional]) if input_feeding else word, hidden, memory)
            c_t, a_t = context_of(score_function, h_t, numpy_of(source.memory[row, :length]))
            attentional = np.tanh(w_c @ np.concatenate([c_t, h_t]))  # equation 5
            close(outputs[row, position], attentional)
            close(weights[row, position], np.array([*a_t, *[0.0] * (SRC - length)]))


@pytest.mark.parametrize("layers", [1, 2])
def test_bahdanau_decoder_is_section_3_1_of_the_paper(layers: int) -> None:
    """The query is s_{i-1}; the context enters the cell; the output reads s_i, c_i and y_{i-1}."""
    score = AdditiveScore(HIDDEN, MEMORY, 6)
    cell = lstm_stack(EMBEDDING + MEMORY, HIDDEN, layers, dropout=0.0)
    output = TanhOutput(HIDDEN, MEMORY, EMBEDDING)
    decoder = fill(BahdanauDecoder(cell, GlobalAttention(score), output).double())
    state, source, embedded = first_state(decoder, layers), source_of(decoder), waves(2, TGT, EMBEDDING)
    outputs, weights = unroll(decoder, embedded, state, source)
    assert weights is not None
    w_a, u_a, v_a = numpy_of(score.query.weight), numpy_of(score.memory.weight), numpy_of(score.score.weight)[0]
    bias, w_o, b_o = numpy_of(score.memory.bias), numpy_of(output.combine.weight), numpy_of(output.combine.bias)

    def additive(s: Array, h: Array) -> float:
        return float(v_a @ np.tanh(w_a @ s + u_a @ h + bias))

    for row, length in enumerate(LENGTHS):
        hidden, memory = [*numpy_of(state.hidden[:, row])], [*numpy_of(state.cell[:, row])]
        for position in range(TGT):
            word = numpy_of(embedded[row, position])
            c_i, a_i = context_of(additive, hidden[-1], numpy_of(source.memory[row, :length]))
            s_i = stacked(cell.cells, np.concatenate([word, c_i]), hidden, memory)
            close(outputs[row, position], np.tanh(w_o @ np.concatenate([s_i, c_i, word]) + b_o))
            close(weights[row, position], np.array([*a_i, *[0.0] * (SRC - length)]))


def test_attend_gives_each_hypothesis_the_memory_of_its_sentence() -> None:
    score, score_function = luong_scores()["general"]
    assert isinstance(score, GeneralScore)
    memory = waves(2, SRC, MEMORY) * MASK[:, :, None]
    queries = waves(2 * 3, HIDDEN, phase=5.0)
    source = Source(memory, score.keys(memory), MASK)
    attended = GlobalAttention(score)(queries, source, queries[:, :0])
    assert attended.weights is not None
    for row, query in enumerate(queries):
        states = numpy_of(memory[row // 3, : LENGTHS[row // 3]])
        context, expected = context_of(score_function, numpy_of(query), states)
        close(attended.context[row], context)
        close(attended.weights[row], np.array([*expected, *[0.0] * (SRC - len(expected))]))


def test_rnnsearch_is_appendix_a_2_2_of_the_paper() -> None:
    """Gated units with the context in every gate; the deep output reads s_{i-1} and takes the maximum of pairs."""
    score, cell = AdditiveScore(HIDDEN, MEMORY, 6), BahdanauGRUCell(EMBEDDING + MEMORY, HIDDEN)
    output = MaxoutOutput(HIDDEN, MEMORY, EMBEDDING, size=2)
    decoder = fill(BahdanauDecoder(StackedCell([cell], 0.0), GlobalAttention(score), output).double())
    source, embedded = source_of(decoder), waves(2, TGT, EMBEDDING)
    state = decoder.start(waves(1, 2, HIDDEN), waves(1, 2, 0), source)
    outputs, weights = unroll(decoder, embedded, state, source)
    assert weights is not None
    of_output, b_o = numpy_of(output.combine.weight), numpy_of(output.combine.bias)
    w_z, w_r, w_n = np.split(numpy_of(cell.inputs.weight), 3)
    b_z, b_r, b_n = np.split(numpy_of(cell.inputs.bias), 3)
    u_z, u_r = np.split(numpy_of(cell.recurrent_gates.weight), 2)
    u_n = numpy_of(cell.recurrent.weight)
    for row, length in enumerate(LENGTHS):
        s = numpy_of(state.hidden[0, row])
        for position in range(TGT):
            word = numpy_of(embedded[row, position])
            c, a = context_of(additive_of(score), s, numpy_of(source.memory[row, :length]))
            close(weights[row, position], np.array([*a, *[0.0] * (SRC - length)]))
            t = of_output @ np.concatenate([s, c, word]) + b_o
            close(outputs[row, position], np.maximum(t[0::2], t[1::2]))
            x = np.concatenate([word, c])
            z, r = sigmoid(w_z @ x + u_z @ s + b_z), sigmoid(w_r @ x + u_r @ s + b_r)
            s = (1 - z) * s + z * np.tanh(w_n @ x + u_n @ (r * s) + b_n)


def test_conditional_decoder_puts_the_attention_between_two_cells() -> None:
    score = AdditiveScore(HIDDEN, MEMORY, 6)
    first, second = LSTMCell(EMBEDDING, HIDDEN), LSTMCell(MEMORY, HIDDEN)
    output = TanhOutput(HIDDEN, MEMORY, EMBEDDING)
    decoder = fill(ConditionalDecoder(first, second, GlobalAttention(score), output).double())
    source = source_of(decoder)
    state = decoder.start(waves(1, 2, HIDDEN), waves(1, 2, HIDDEN, phase=1.0), source)
    embedded = waves(2, TGT, EMBEDDING)
    outputs, _ = unroll(decoder, embedded, state, source)
    for row, length in enumerate(LENGTHS):
        hidden, memory = numpy_of(state.hidden[0, row]), numpy_of(state.cell[0, row])
        for position in range(TGT):
            word = numpy_of(embedded[row, position])
            between, kept = numpy_lstm_cell(first, word, hidden, memory)
            context, _ = context_of(additive_of(score), between, numpy_of(source.memory[row, :length]))
            hidden, memory = numpy_lstm_cell(second, context, between, kept)
            read = np.concatenate([hidden, context, word])
            expected = np.tanh(numpy_of(output.combine.weight) @ read + numpy_of(output.combine.bias))
            close(outputs[row, position], expected)


@pytest.mark.parametrize("residual", [False, True])
def test_gnmt_decoder_asks_with_the_bottom_layer_and_tells_all(residual: bool) -> None:
    score = AdditiveScore(HIDDEN, MEMORY, 6)
    cells = [LSTMCell(EMBEDDING + MEMORY, HIDDEN), *(LSTMCell(HIDDEN + MEMORY, HIDDEN) for _ in range(2))]
    decoder = fill(GnmtDecoder(cells, GlobalAttention(score), MEMORY, 0.0, residual).double())
    source = source_of(decoder)
    state = decoder.start(waves(3, 2, HIDDEN), waves(3, 2, HIDDEN, phase=1.0), source)
    embedded = waves(2, TGT, EMBEDDING)
    outputs, _ = unroll(decoder, embedded, state, source)
    for row, length in enumerate(LENGTHS):
        hidden, memory = [*numpy_of(state.hidden[:, row])], [*numpy_of(state.cell[:, row])]
        context = np.zeros(MEMORY)
        for position in range(TGT):
            read = np.concatenate([numpy_of(embedded[row, position]), context])
            hidden[0], memory[0] = numpy_lstm_cell(cells[0], read, hidden[0], memory[0])
            context, _ = context_of(additive_of(score), hidden[0], numpy_of(source.memory[row, :length]))
            given = hidden[0]
            for layer in (1, 2):
                read = np.concatenate([given, context])
                hidden[layer], memory[layer] = numpy_lstm_cell(cells[layer], read, hidden[layer], memory[layer])
                given = hidden[layer] + given if residual and layer == 2 else hidden[layer]
            close(outputs[row, position], given)


@pytest.mark.parametrize("intra", [None, IntraAttention(HIDDEN)])
def test_see_decoder_merges_word_and_context_and_hands_on_state_and_context(intra: IntraAttention | None) -> None:
    """See et al. 2017, equations 1 to 4; what the cell reads is abisee/pointer-generator's.

    With an attention to its past, equations 6 to 9 of Paulus et al. 2018.
    """
    score, cell = AdditiveScore(HIDDEN, MEMORY, 6), lstm_stack(EMBEDDING, HIDDEN, 1)
    decoder = fill(SeeDecoder(cell, GlobalAttention(score), MEMORY, EMBEDDING, intra).double())
    source = source_of(decoder)
    state = decoder.start(waves(1, 2, HIDDEN), waves(1, 2, HIDDEN, phase=1.0), source)
    embedded = waves(2, TGT, EMBEDDING)
    outputs, weights = unroll(decoder, embedded, state, source)
    assert weights is not None
    merge, bias = numpy_of(decoder.merge.weight), numpy_of(decoder.merge.bias)
    for row, length in enumerate(LENGTHS):
        hidden, memory = [*numpy_of(state.hidden[:, row])], [*numpy_of(state.cell[:, row])]
        context, past = np.zeros(MEMORY), list[Array]()
        for position in range(TGT):
            read = merge @ np.concatenate([numpy_of(embedded[row, position]), context]) + bias
            s_t = stacked(cell.cells, read, hidden, memory)
            context, a_t = context_of(additive_of(score), s_t, numpy_of(source.memory[row, :length]))
            given = [s_t, context]
            if intra is not None:
                w_attn = numpy_of(intra.query.weight)
                alphas = numpy_softmax([float(one @ w_attn @ s_t) for one in past])
                given.append(np.array(sum((a * one for a, one in zip(alphas, past, strict=True)), np.zeros(HIDDEN))))
                past.append(s_t)
            close(outputs[row, position], np.concatenate(given))
            close(weights[row, position], np.array([*a_t, *[0.0] * (SRC - length)]))


def test_gnmt_decoder_drops_what_goes_up_from_layer_to_layer_and_not_the_context() -> None:
    cells = [LSTMCell(EMBEDDING + MEMORY, HIDDEN), LSTMCell(HIDDEN + MEMORY, HIDDEN)]
    attention = GlobalAttention(AdditiveScore(HIDDEN, MEMORY, 6))
    decoder = fill(GnmtDecoder(cells, attention, MEMORY, 0.9999999, residual=False).double()).train()
    source = source_of(decoder)
    state = decoder.start(waves(2, 2, HIDDEN), waves(2, 2, HIDDEN, phase=1.0), source)
    step = decoder.step(waves(2, EMBEDDING), state, source)
    read = torch.cat([torch.zeros(2, HIDDEN, dtype=torch.float64), step.state.feed], dim=1)
    expected, _ = cells[1](read, (state.hidden[1], state.cell[1]))
    torch.testing.assert_close(step.output, expected, rtol=0, atol=1e-12)


def additive_of(score: AdditiveScore) -> ScoreFunction:
    """v' tanh(W_a s + U_a h + b)."""
    w_a, u_a, v_a = numpy_of(score.query.weight), numpy_of(score.memory.weight), numpy_of(score.score.weight)[0]
    bias = numpy_of(score.memory.bias)
    return lambda s, h: float(v_a @ np.tanh(w_a @ s + u_a @ h + bias))


def test_copy_bridge_begins_a_layer_with_each_direction() -> None:
    output = encoded(2, 6)  # two layers, three units in each direction
    hidden, cell = CopyBridge(by_direction=True)(output, WHOLE)
    for found, states in ((hidden, output.hidden), (cell, output.cell)):
        expected = [states[0, :, :3], states[0, :, 3:], states[1, :, :3], states[1, :, 3:]]
        assert torch.equal(found, torch.stack(expected))


@pytest.mark.parametrize("has_cell_state", [False, True])
def test_mean_bridge_reads_the_mean_of_the_real_states(has_cell_state: bool) -> None:
    bridge = fill(MeanBridge(MEMORY, HIDDEN, 2, has_cell_state).double())
    memory = waves(2, SRC, MEMORY) * MASK[:, :, None]
    hidden, cell = bridge(EncoderOutput(memory, memory[None, :, 0], memory[None, :, 0]), torch.tensor(LENGTHS))
    assert cell.shape == (2, 2, HIDDEN if has_cell_state else 0)
    layer = bridge.linear.hidden
    for row, length in enumerate(LENGTHS):
        mean = numpy_of(memory[row, :length]).mean(axis=0)
        expected = np.tanh(numpy_of(layer.weight) @ mean + numpy_of(layer.bias))
        close(hidden[0, row], expected[:HIDDEN])
        close(hidden[1, row], expected[HIDDEN:])


WHOLE = torch.tensor([SRC, SRC])


def encoded(layers: int, width: int) -> EncoderOutput:
    hidden, cell = waves(layers, 2, width, phase=1.0), waves(layers, 2, width, phase=2.0)
    return EncoderOutput(waves(2, SRC, width), hidden, cell)


@pytest.mark.parametrize("layers", [1, 2])
def test_linear_bridge_reads_the_top_layers_backward_state(layers: int) -> None:
    bridge = fill(LinearBridge(4, HIDDEN, layers, has_cell_state=True).double())
    output = encoded(2, 8)  # the forward direction's 4 units, then the backward one's
    for found, linear in zip(bridge(output, WHOLE), (bridge.hidden, bridge.cell), strict=True):
        assert linear is not None
        assert found.shape == (layers, 2, HIDDEN)
        for row in range(2):
            backward = numpy_of(output.hidden[1, row, 4:])
            expected = np.tanh(numpy_of(linear.weight) @ backward + numpy_of(linear.bias))
            for layer in range(layers):
                close(found[layer, row], expected[layer * HIDDEN : (layer + 1) * HIDDEN])


def test_copy_bridge_gives_each_layer_the_encoders_states() -> None:
    output = encoded(2, 6)
    hidden, cell = CopyBridge(by_direction=False)(output, WHOLE)
    assert torch.equal(hidden, output.hidden)
    assert torch.equal(cell, output.cell)


def test_zero_bridge_gives_zeros() -> None:
    for state in ZeroBridge(HIDDEN, 2, has_cell_state=True)(encoded(1, 6), WHOLE):
        assert torch.equal(state, torch.zeros(2, 2, HIDDEN, dtype=torch.float64))


@pytest.mark.parametrize(
    ("attention", "options"),
    [*((name, {"layers": layers}) for name in ATTENTIONS for layers in (1, 2)), *((name, {}) for name in MECHANISMS)],
)
def test_the_unrolled_pass_is_the_step_of_the_search(attention: str, options: dict[str, Any]) -> None:
    """Hypotheses are multiplied, permuted and left out on the way, and so are sentences."""
    model = tiny_model(attention, **options).double()
    sources, targets = [[4, 5, 6, 7], [5, 8], [7, 4, 4]], [[8, 4, 6, 5], [7, 7, 5, 4], [6, 8, 4, 4]]

    def expected(sentence: int, target: list[int]) -> Tensor:
        batch = make_batch([sources[sentence]], [target])
        outputs, _ = model(batch.src_ids, batch.src_lengths, batch.tgt_in)
        log_probs: Tensor = model.output(outputs)[0].log_softmax(dim=-1)
        return log_probs

    batch = make_batch(sources, targets)
    state = model.start(batch.src_ids, batch.src_lengths)
    rows = [(sentence, targets[sentence]) for sentence in range(3)]
    plans: list[tuple[list[int], list[int]]] = [
        ([0, 1, 2], [0, 0, 1, 1, 2, 2]),  # two hypotheses each
        ([2, 0], [5, 4, 4, 1, 0, 1]),  # other sentences in another order, three each
        ([1], [4]),  # the first sentence only, one hypothesis
        ([0], [0, 0]),
    ]
    for position, (sentences, chosen) in enumerate(plans):
        tokens = torch.tensor([[2, *target][position] for _, target in rows])
        log_probs, state = step_log_probs(model, tokens, state)
        for row, (sentence, target) in enumerate(rows):
            torch.testing.assert_close(log_probs[row], expected(sentence, target)[position], rtol=0, atol=1e-12)
        state = state.select(torch.tensor(sentences), torch.tensor(chosen))
        rows = [rows[row] for row in chosen]
        # From here on the hypotheses of a sentence differ.
        rows = [(sentence, _turned(target, position + 1, row)) for row, (sentence, target) in enumerate(rows)]


def _turned(target: list[int], position: int, by: int) -> list[int]:
    """The target with everything from a position on replaced by other words."""
    return target[:position] + [4 + (word + by) % 5 for word in target[position:]]


@pytest.mark.bare
@pytest.mark.parametrize(
    ("attention", "options"),
    [
        ("none", {"bridge": "copy"}),
        ("additive", {"layers": 2}),
        ("dot", {"bridge": "copy", "tie_output": True}),
        ("general", {"tie_output": True, "share_embeddings": True}),
        ("concat", {**UNFED, "bridge": "zero"}),
        *((name, {}) for name in MECHANISMS),
    ],
)
def test_the_loss_of_a_whole_network_has_the_right_gradients(attention: str, options: dict[str, Any]) -> None:
    model = tiny_model(attention, vocab=7, embedding_size=3, hidden_size=4, **options).double()
    batch = make_batch([[4, 5, 6], [6]], [[5], [4, 6]])

    def loss(*_: Tensor) -> Tensor:
        return sequence_loss(model, batch, label_smoothing=0.1).objective  # of the parameters that gradcheck changes

    assert torch.autograd.gradcheck(loss, tuple(model.parameters()), fast_mode=True)
