"""The packed encoder against torch's LSTM run on each sentence alone."""

import pytest
import torch
from torch import nn

from nmt.model.encoder import Encoder
from tests.helpers import fill, waves

EMBEDDING, UNITS, LENGTHS = 4, 3, [2, 5, 1, 5, 3]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_each_sentence_is_read_as_if_alone(layers: int, bidirectional: bool) -> None:
    encoder = fill(Encoder(EMBEDDING, UNITS, layers, bidirectional, dropout=0.3).double()).eval()
    alone = nn.LSTM(EMBEDDING, UNITS, layers, batch_first=True, bidirectional=bidirectional).double()
    alone.load_state_dict(encoder.lstm.state_dict())
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
    encoder = fill(Encoder(EMBEDDING, UNITS, 2, True, dropout=0.0).double())
    encoded = encoder(waves(len(LENGTHS), 5, EMBEDDING), torch.tensor(LENGTHS))
    for row, length in enumerate(LENGTHS):
        assert torch.equal(encoded.hidden[-1, row, :UNITS], encoded.memory[row, length - 1, :UNITS])
        assert torch.equal(encoded.hidden[-1, row, UNITS:], encoded.memory[row, 0, UNITS:])


def test_dropout_lies_between_the_layers_and_only_there() -> None:
    embedded, lengths = waves(3, 4, EMBEDDING), torch.tensor([4, 2, 3])
    for layers in (1, 2):
        encoder = fill(Encoder(EMBEDDING, UNITS, layers, True, dropout=0.5).double())
        trained, evaluated = encoder.train()(embedded, lengths), encoder.eval()(embedded, lengths)
        assert torch.equal(trained.hidden[0], evaluated.hidden[0])
        assert torch.equal(trained.memory, evaluated.memory) == (layers == 1)


def test_gradients_reach_real_tokens_only() -> None:
    encoder = fill(Encoder(EMBEDDING, UNITS, 2, True, dropout=0.0).double())
    embedded = waves(3, 4, EMBEDDING).requires_grad_()
    encoded = encoder(embedded, torch.tensor([4, 2, 3]))
    torch.autograd.backward(encoded.memory.sum() + encoded.hidden.sum() + encoded.cell.sum())
    assert embedded.grad is not None
    reached = embedded.grad.abs().sum(dim=-1) > 0
    assert reached.tolist() == [[True] * 4, [True, True, False, False], [True, True, True, False]]
