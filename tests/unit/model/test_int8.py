"""Layers of 8 bits against whole numbers in numpy."""

import pickle
from collections.abc import Callable
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nmt.model import int8
from nmt.model.fast.layers import Linear, LSTMCell
from nmt.model.int8 import Int8Linear, Int8LSTMCell, is_quantised, observed_limits, quantise
from tests.helpers import Array, fill, numpy_of, sigmoid, step_log_probs, tiny_model, waves


def by_hand(weight: Array, bias: Array, limit: float, rows: Array, most: int) -> Array:
    """Whole numbers times whole numbers, summed exactly, then scaled."""
    scale = np.abs(weight).max(axis=1) / 127
    whole = np.rint(weight / scale[:, None]).astype(np.int64)
    step = np.float64(np.float32(limit)) / most
    inputs = np.clip(np.rint(rows / step), -most - 1, most).astype(np.int64)
    return np.asarray((inputs @ whole.T) * (step * scale) + bias, dtype=np.float64)


@pytest.mark.parametrize(
    ("most", "vnni", "fbgemm"), [(127, True, True), (127, True, False), (63, False, True), (63, False, False)]
)
@pytest.mark.parametrize("size", [(1, 7, 5), (6, 40, 33), (130, 64, 17)])
def test_a_layer(
    size: tuple[int, int, int], most: int, vnni: bool, fbgemm: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inputs up to the limit and beyond; with 7 bits, too, and without FBGEMM, as on other processors."""
    monkeypatch.setattr(int8, "_MOST_OF_INPUT", most)
    monkeypatch.setattr(int8, "_HAS_VNNI", vnni)
    monkeypatch.setattr(int8, "_HAS_FBGEMM", int8._HAS_FBGEMM and fbgemm)
    rows, inputs, outputs = size
    weight, bias = waves(outputs, inputs).float() * 0.3, waves(outputs, phase=1.0).float()
    values = waves(rows, inputs, phase=2.0).float() * 1.6
    layer = Int8Linear.of(weight, bias, limit=1.5)
    expected = by_hand(numpy_of(weight), numpy_of(bias), 1.5, numpy_of(values), most)
    np.testing.assert_allclose(numpy_of(layer(values)), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(layer(values.reshape(1, rows, inputs))[0], layer(values))
    exact = numpy_of(values.clamp(-1.5, 1.5)) @ numpy_of(weight).T + numpy_of(bias)
    assert np.abs(expected - exact).max() < 0.02 * np.abs(exact).max() * (127 / most)


def test_what_is_beyond_the_limit_counts_as_much_as_the_limit() -> None:
    layer = Int8Linear.of(waves(3, 4).float(), None, limit=0.5)
    values = torch.tensor([[0.5, -0.5, 0.1, 0.5]])
    beyond = torch.tensor([[1e20, -1e20, 0.1, 0.51]])
    torch.testing.assert_close(layer(beyond), layer(values), rtol=0, atol=0.02)


def test_a_row_does_not_depend_on_the_others() -> None:
    layer = Int8Linear.of(waves(50, 40).float(), waves(50).float(), limit=1.0)
    values = waves(70, 40).float()
    together = layer(values)
    for row in (0, 3, 69):
        assert torch.equal(layer(values[row : row + 1])[0], together[row])


def test_some_of_the_outputs() -> None:
    layer = Int8Linear.of(waves(50, 40).float(), waves(50).float(), limit=1.0)
    chosen = torch.tensor([3, 4, 49])
    values = waves(6, 40).float()
    torch.testing.assert_close(layer.select(chosen)(values), layer(values)[:, chosen])


def test_weights_of_nothing_but_zeros() -> None:
    layer = Int8Linear.of(torch.zeros(2, 3), torch.tensor([1.0, 2.0]), limit=1.0)
    assert layer(torch.ones(1, 3)).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("copied", [deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_has_its_own_numbers(copied: Callable[[Int8Linear], Int8Linear]) -> None:
    layer = Int8Linear.of(waves(5, 4).float(), None, limit=1.0)
    values = waves(2, 4).float()
    before = layer(values)
    other = copied(layer)
    assert torch.equal(other(values), before)
    other = copied(layer)
    other.scale.mul_(2)
    torch.testing.assert_close(other(values), 2 * before)
    assert torch.equal(layer(values), before)


def test_a_layer_that_never_read_anything_but_zeros() -> None:
    layer = Int8Linear.of(waves(5, 4).float(), torch.ones(5), limit=0.0)
    assert torch.equal(layer(torch.zeros(2, 4)), torch.ones(2, 5))


def test_a_step_of_an_lstm() -> None:
    cell = fill(LSTMCell(3, 5), 0.4)
    values, hidden, state = waves(4, 3).float(), waves(4, 5, phase=1.0).float(), waves(4, 5, phase=2.0).float()
    found = Int8LSTMCell.of(cell, limit=1.0)(values, (hidden, state))
    weight = numpy_of(torch.cat([cell.weight_ih, cell.weight_hh], dim=1))
    bias = numpy_of(cell.bias_ih) + numpy_of(cell.bias_hh)
    rows = np.concatenate([numpy_of(values), numpy_of(hidden)], axis=1)
    gates = by_hand(weight, bias, 1.0, rows, int8._MOST_OF_INPUT)
    enter, forget, candidate, leave = np.split(gates, 4, axis=1)
    cells = sigmoid(forget) * numpy_of(state) + sigmoid(enter) * np.tanh(candidate)
    np.testing.assert_allclose(numpy_of(found[1]), cells, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(numpy_of(found[0]), sigmoid(leave) * np.tanh(cells), rtol=1e-5, atol=1e-5)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Linear(4, 3)
        self.cell = LSTMCell(3, 3)
        self.other = nn.Linear(3, 2)

    def forward(self, values: Tensor) -> Tensor:
        hidden = torch.full((len(values), 3), -0.25)
        output: Tensor = self.other(self.cell(self.first(values), (hidden, hidden))[0])
        return output


def test_limits_are_the_largest_magnitudes_seen() -> None:
    model = fill(Small())
    with observed_limits(model) as limits:
        model(torch.tensor([[0.5, -3.0, 1.0, 2.0]]))
        model(torch.zeros(1, 4))
    read = model.first(torch.tensor([[0.5, -3.0, 1.0, 2.0]])).abs().max().item()
    assert limits == {"first": 3.0, "cell": pytest.approx(max(read, 0.25))}
    model(torch.full((1, 4), 100.0))
    assert limits["first"] == 3.0  # no longer observed


def test_layers_with_a_limit_are_replaced_and_others_not() -> None:
    model = fill(Small())
    before = deepcopy(model)
    assert not is_quantised(model)
    quantise(model, {"cell": 1.0})
    assert is_quantised(model)
    assert isinstance(model.cell, Int8LSTMCell)
    assert torch.equal(model.first.weight, before.first.weight)
    values = waves(5, 4).float() * 0.5
    torch.testing.assert_close(model(values), before(values), rtol=0, atol=0.02)


@pytest.mark.parametrize("attention", ["none", "additive", "general", "concat"])
def test_every_product_of_a_network_but_the_encoders_is_quantised(attention: str) -> None:
    model = tiny_model(attention, layers=2)
    names = {name for name, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.LSTMCell)}
    unused = {"decoder.attention.score.score"}  # a product with a vector
    with observed_limits(model) as limits, torch.inference_mode():
        state = model.start(torch.tensor([[4, 5, 3]]), torch.tensor([3]))
        step_log_probs(model, torch.tensor([2]), state)
    assert limits.keys() == names - unused
