"""Readers and refinements against torch's networks run on each sentence alone."""

import pytest
import torch
from torch import nn

from nmt.model.cells import GRUCell
from nmt.model.dropout import Dropout
from nmt.model.encoder import Backwards, BothWays, CellReader, Encoder, Reader, SelfAttention, Summary, TorchReader
from nmt.model.fast.layers import GRU, LSTM, RNN, LSTMCell
from nmt.model.mask import length_mask
from tests.helpers import fill, lstm_encoder, waves

EMBEDDING, UNITS, LENGTHS = 4, 3, [2, 5, 1, 5, 3]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_each_sentence_is_read_as_if_alone(layers: int, bidirectional: bool) -> None:
    encoder = fill(lstm_encoder(EMBEDDING, UNITS, layers, bidirectional, dropout=0.3).double()).eval()
    alone = nn.LSTM(EMBEDDING, UNITS, layers, batch_first=True, bidirectional=bidirectional).double()
    (reader,) = encoder.readers
    assert isinstance(reader, TorchReader)
    alone.load_state_dict(reader.network.state_dict())
    embedded = waves(len(LENGTHS), 7, EMBEDDING)  # wider than the longest sentence
    encoded = encoder(embedded, torch.tensor(LENGTHS))
    width = UNITS * (2 if bidirectional else 1)
    assert encoded.memory.shape == (len(LENGTHS), 7, width)
    assert encoded.hidden.shape == encoded.cell.shape == (layers, len(LENGTHS), width)
    for row, length in enumerate(LENGTHS):
        states, (hidden, cell) = alone(embedded[row : row + 1, :length])
        torch.testing.assert_close(encoded.memory[row, :length], states[0], rtol=0, atol=1e-13)
        assert not encoded.memory[row, length:].any()
        directions = 2 if bidirectional else 1
        for layer in range(layers):
            of_layer = slice(layer * directions, (layer + 1) * directions)  # forwards, then backwards
            torch.testing.assert_close(encoded.hidden[layer, row], hidden[of_layer, 0].flatten(), rtol=0, atol=1e-13)
            torch.testing.assert_close(encoded.cell[layer, row], cell[of_layer, 0].flatten(), rtol=0, atol=1e-13)


def test_last_states_are_those_after_the_last_token_forwards_and_after_the_first_one_backwards() -> None:
    encoder = fill(lstm_encoder(EMBEDDING, UNITS, 2, True, dropout=0.0).double())
    encoded = encoder(waves(len(LENGTHS), 5, EMBEDDING), torch.tensor(LENGTHS))
    for row, length in enumerate(LENGTHS):
        assert torch.equal(encoded.hidden[-1, row, :UNITS], encoded.memory[row, length - 1, :UNITS])
        assert torch.equal(encoded.hidden[-1, row, UNITS:], encoded.memory[row, 0, UNITS:])


def test_dropout_lies_between_the_layers_and_only_there() -> None:
    embedded, lengths = waves(3, 4, EMBEDDING), torch.tensor([4, 2, 3])
    for layers in (1, 2):
        encoder = fill(lstm_encoder(EMBEDDING, UNITS, layers, True, dropout=0.5).double())
        trained, evaluated = encoder.train()(embedded, lengths), encoder.eval()(embedded, lengths)
        assert torch.equal(trained.hidden[0], evaluated.hidden[0])
        assert torch.equal(trained.memory, evaluated.memory) == (layers == 1)


def test_gradients_reach_real_tokens_only() -> None:
    encoder = fill(lstm_encoder(EMBEDDING, UNITS, 2, True, dropout=0.0).double())
    embedded = waves(3, 4, EMBEDDING).requires_grad_()
    encoded = encoder(embedded, torch.tensor([4, 2, 3]))
    torch.autograd.backward(encoded.memory.sum() + encoded.hidden.sum() + encoded.cell.sum())
    assert embedded.grad is not None
    reached = embedded.grad.abs().sum(dim=-1) > 0
    assert reached.tolist() == [[True] * 4, [True, True, False, False], [True, True, True, False]]


@pytest.mark.parametrize(("ours", "theirs"), [(GRU, nn.GRU), (RNN, nn.RNN)])
@pytest.mark.parametrize("both", [False, True])
def test_torchs_other_networks_read_each_sentence_as_if_alone(
    ours: type[GRU] | type[RNN], theirs: type[nn.GRU] | type[nn.RNN], both: bool
) -> None:
    network = fill(ours(EMBEDDING, UNITS, 2, batch_first=True, bidirectional=both).double())
    alone = theirs(EMBEDDING, UNITS, 2, batch_first=True, bidirectional=both).double()
    alone.load_state_dict(network.state_dict())
    embedded = waves(len(LENGTHS), 7, EMBEDDING)
    read = TorchReader(network)(embedded, torch.tensor(LENGTHS))
    assert read.cell.shape == (2, len(LENGTHS), 0)
    for row, length in enumerate(LENGTHS):
        states, hidden = alone(embedded[row : row + 1, :length])
        torch.testing.assert_close(read.memory[row, :length], states[0], rtol=0, atol=1e-13)
        assert not read.memory[row, length:].any()
        layers = hidden[:, 0].reshape(2, -1)  # both directions of a layer side by side
        torch.testing.assert_close(read.hidden[:, row], layers, rtol=0, atol=1e-13)


def cell_reader(kind: str) -> tuple[Reader, nn.LSTM | nn.GRU]:
    """A bidirectional reader made of cells, and torch's network with the same weights."""
    make, whole = (LSTMCell, nn.LSTM) if kind == "lstm" else (GRUCell, nn.GRU)
    cells = [fill(make(EMBEDDING, UNITS).double(), scale) for scale in (0.5, 0.8)]
    network = whole(EMBEDDING, UNITS, batch_first=True, bidirectional=True).double()
    endings = ("_l0", "_l0_reverse")
    network.load_state_dict(
        {
            name + ending: value
            for cell, ending in zip(cells, endings, strict=True)
            for name, value in cell.state_dict().items()
        }
    )
    memory_size = UNITS if kind == "lstm" else 0
    forwards, backwards = (CellReader(cell, UNITS, memory_size) for cell in cells)
    return BothWays(forwards, Backwards(backwards)), network


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_reader_made_of_cells_is_torchs_network(kind: str) -> None:
    reader, network = cell_reader(kind)
    embedded = waves(len(LENGTHS), 7, EMBEDDING)
    read = reader(embedded, torch.tensor(LENGTHS))
    for row, length in enumerate(LENGTHS):
        states, last = network(embedded[row : row + 1, :length])
        hidden = last[0] if kind == "lstm" else last
        torch.testing.assert_close(read.memory[row, :length], states[0], rtol=0, atol=1e-13)
        assert not read.memory[row, length:].any()
        torch.testing.assert_close(read.hidden[0, row], hidden[:, 0].flatten(), rtol=0, atol=1e-13)
        if kind == "lstm":
            torch.testing.assert_close(read.cell[0, row], last[1][:, 0].flatten(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("end_last", [False, True])
def test_a_reversed_reader_reads_from_the_end_and_keeps_positions(end_last: bool) -> None:
    """And the words of a reversed source before its end mark."""
    network = fill(LSTM(EMBEDDING, UNITS, 2, batch_first=True).double())
    reader, embedded = Backwards(TorchReader(network), end_last), waves(len(LENGTHS), 6, EMBEDDING)
    read = reader(embedded, torch.tensor(LENGTHS))
    for row, length in enumerate(LENGTHS):
        order = [*reversed(range(length - 1)), length - 1] if end_last else [*reversed(range(length))]
        states, (hidden, _) = nn.LSTM.forward(network, embedded[row : row + 1, order])
        torch.testing.assert_close(read.memory[row, order], states[0], rtol=0, atol=1e-13)
        assert not read.memory[row, length:].any()
        torch.testing.assert_close(read.hidden[:, row], hidden[:, 0], rtol=0, atol=1e-13)


def test_the_same_hidden_values_are_dropped_at_all_steps() -> None:
    """With the hidden state all dropped, each step reads its word alone, but the memory goes on."""
    cell = fill(LSTMCell(EMBEDDING, UNITS).double())
    embedded, lengths = waves(2, 4, EMBEDDING), torch.tensor([4, 2])
    read = CellReader(cell, UNITS, UNITS, dropout=0.9999999).train()(embedded, lengths)
    hidden = memory = torch.zeros(1, UNITS, dtype=torch.float64)
    for place in range(4):
        hidden, memory = cell(embedded[:1, place], (torch.zeros_like(hidden), memory))
        torch.testing.assert_close(read.memory[:1, place], hidden, rtol=0, atol=1e-13)


def test_readers_are_stacked_with_residual_connections_where_widths_agree() -> None:
    bottom = TorchReader(fill(LSTM(EMBEDDING, UNITS, batch_first=True, bidirectional=True).double()))
    middle = TorchReader(fill(LSTM(2 * UNITS, UNITS, batch_first=True).double()))
    top = TorchReader(fill(LSTM(UNITS, UNITS, batch_first=True).double()))
    embedded, lengths = waves(3, 4, EMBEDDING), torch.tensor([4, 2, 3])
    encoded = Encoder([bottom, middle, top], Dropout(0.0), residual=True)(embedded, lengths)
    first = bottom(embedded, lengths)
    second = middle(first.memory, lengths)  # of another width than what it reads
    third = top(second.memory, lengths)
    torch.testing.assert_close(encoded.memory, third.memory + second.memory, rtol=0, atol=1e-13)
    expected = torch.cat([first.hidden[:, :, UNITS:], second.hidden, third.hidden])
    torch.testing.assert_close(encoded.hidden, expected, rtol=0, atol=1e-13)


def test_self_attention_is_torchs_over_each_sentence_alone() -> None:
    refine = fill(SelfAttention(6, 2, 0.0).double())
    encoder = lstm_encoder(EMBEDDING, UNITS, 1, True).double()
    embedded, lengths = waves(3, 5, EMBEDDING), torch.tensor([5, 2, 1])
    encoded = encoder(embedded, lengths)
    refined = refine(encoded, lengths)
    for row, length in enumerate(lengths.tolist()):
        memory = encoded.memory[row : row + 1, :length]
        expected = refine.norm(memory + refine.attention(memory, memory, memory)[0])
        torch.testing.assert_close(refined.memory[row, :length], expected[0], rtol=0, atol=1e-12)
    assert not refined.memory[~length_mask(lengths, 5)].any()


def test_the_summary_is_tanh_of_the_last_state() -> None:
    encoded = lstm_encoder(EMBEDDING, UNITS, 2, False).double()(waves(3, 4, EMBEDDING), torch.tensor([4, 2, 3]))
    summary = fill(Summary(UNITS).double())
    found = summary(encoded, torch.tensor([4, 2, 3]))
    expected = torch.tanh(nn.functional.linear(encoded.hidden, summary.last.weight, summary.last.bias))
    torch.testing.assert_close(found.hidden, expected, rtol=0, atol=1e-13)
    assert torch.equal(found.memory, encoded.memory)
