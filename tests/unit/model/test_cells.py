"""Each cell against torch's own, or against a transcription of its paper's equations in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nmt.model.cells import (
    BahdanauGRUCell,
    Cell,
    GRUCell,
    LayerNormGRUCell,
    LayerNormLSTMCell,
    MultiplicativeLSTMCell,
    RecurrentDropoutLSTMCell,
    RNNCell,
    StackedCell,
)
from nmt.model.fast.layers import LSTMCell
from tests.helpers import Array, fill, numpy_of, sigmoid, waves

INPUTS, HIDDEN, ROWS = 4, 3, 2


def weight(layer: nn.Module) -> Array:
    return numpy_of(layer.get_parameter("weight"))


def normed(norm: nn.Module, values: Array) -> Array:
    """Layer normalisation (Ba et al. 2016, equations 3 and 4), with torch's epsilon."""
    deviation = np.sqrt(((values - values.mean()) ** 2).mean() + 1e-5)
    scaled = (values - values.mean()) / deviation
    return np.asarray(scaled * numpy_of(norm.get_parameter("weight")) + numpy_of(norm.get_parameter("bias")))


def bahdanau_gru(cell: BahdanauGRUCell, x: Array, h: Array, _: Array) -> tuple[Array, Array]:
    """Bahdanau et al. 2015, appendix A.1.1: z, r, then n with the reset state, then s."""
    of_z, of_r, of_n = np.split(weight(cell.inputs), 3)
    b_z, b_r, b_n = np.split(numpy_of(cell.inputs.bias), 3)
    u_z, u_r = np.split(weight(cell.recurrent_gates), 2)
    z = sigmoid(of_z @ x + u_z @ h + b_z)
    r = sigmoid(of_r @ x + u_r @ h + b_r)
    n = np.tanh(of_n @ x + weight(cell.recurrent) @ (r * h) + b_n)
    return (1 - z) * h + z * n, h[:0]


def layer_norm_lstm(cell: LayerNormLSTMCell, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """Ba et al. 2016, equations 20 to 22."""
    sums = normed(cell.recurrent_norm, weight(cell.recurrent) @ h) + normed(cell.inputs_norm, weight(cell.inputs) @ x)
    i, f, g, o = np.split(sums + numpy_of(cell.bias), 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(normed(cell.cell_norm, c)), c


def layer_norm_gru(cell: LayerNormGRUCell, x: Array, h: Array, _: Array) -> tuple[Array, Array]:
    """Ba et al. 2016, appendix, but with torch's update gate z, which keeps the past; theirs lets in what is new."""
    read, past = weight(cell.inputs) @ x, weight(cell.recurrent) @ h
    gates = normed(cell.inputs_norms[0], read[: 2 * HIDDEN]) + normed(cell.recurrent_norms[0], past[: 2 * HIDDEN])
    z, r = np.split(sigmoid(gates), 2)
    n = np.tanh(
        normed(cell.inputs_norms[1], read[2 * HIDDEN :]) + r * normed(cell.recurrent_norms[1], past[2 * HIDDEN :])
    )
    return (1 - z) * n + z * h, h[:0]


def multiplicative_lstm(cell: MultiplicativeLSTMCell, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """Krause et al. 2016, one matrix for each letter: m, then what is new (not squashed), the gates, c, h."""
    w_mx, w_ix, w_fx, w_hx, w_ox = np.split(weight(cell.inputs), 5)
    b_m, b_i, b_f, b_h, b_o = np.split(numpy_of(cell.inputs.bias), 5)
    w_im, w_fm, w_hm, w_om = np.split(weight(cell.recurrent_gates), 4)
    m = (w_mx @ x + b_m) * (weight(cell.recurrent) @ h)
    new = w_hx @ x + w_hm @ m + b_h
    i = sigmoid(w_ix @ x + w_im @ m + b_i)
    o = sigmoid(w_ox @ x + w_om @ m + b_o)
    f = sigmoid(w_fx @ x + w_fm @ m + b_f)
    c = f * c + i * new
    return np.tanh(c * o), c


EQUATIONS: list[tuple[Cell, Callable[..., tuple[Array, Array]]]] = [
    (BahdanauGRUCell(INPUTS, HIDDEN), bahdanau_gru),
    (LayerNormLSTMCell(INPUTS, HIDDEN), layer_norm_lstm),
    (LayerNormGRUCell(INPUTS, HIDDEN), layer_norm_gru),
    (MultiplicativeLSTMCell(INPUTS, HIDDEN), multiplicative_lstm),
]


def states(cell: object) -> tuple[Tensor, Tensor]:
    remembers = isinstance(cell, LayerNormLSTMCell | MultiplicativeLSTMCell | RecurrentDropoutLSTMCell | nn.LSTMCell)
    return waves(ROWS, HIDDEN, phase=1.0), waves(ROWS, HIDDEN, phase=2.0)[:, : HIDDEN if remembers else 0]


@pytest.mark.parametrize(("cell", "equations"), EQUATIONS, ids=lambda part: type(part).__name__)
def test_a_cell_is_its_papers_equations(cell: Cell, equations: Callable[..., tuple[Array, Array]]) -> None:
    assert isinstance(cell, nn.Module)
    fill(cell.double())
    inputs, (hidden, memory) = waves(ROWS, INPUTS), states(cell)
    found = cell(inputs, (hidden, memory))
    for row in range(ROWS):
        expected = equations(cell, *(numpy_of(part[row]) for part in (inputs, hidden, memory)))
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(numpy_of(ours[row]), theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("ours", "theirs"), [(GRUCell, nn.GRUCell), (RNNCell, nn.RNNCell)])
def test_torchs_cells_are_torchs(ours: type[GRUCell], theirs: type[nn.GRUCell]) -> None:
    cell = fill(ours(INPUTS, HIDDEN).double())
    same = theirs(INPUTS, HIDDEN).double()
    same.load_state_dict(cell.state_dict())
    hidden, nothing = states(cell)
    found, still_nothing = cell(waves(ROWS, INPUTS), (hidden, nothing))
    torch.testing.assert_close(found, same(waves(ROWS, INPUTS), hidden), rtol=0, atol=0)
    assert still_nothing.shape == (ROWS, 0)


def test_the_two_placements_of_the_reset_gate_differ_and_agree_where_it_is_open() -> None:
    """With r = 1 the state is not changed before the product, nor the product after it."""
    torchs, bahdanaus = fill(GRUCell(INPUTS, HIDDEN).double()), BahdanauGRUCell(INPUTS, HIDDEN).double()
    inputs, state = waves(ROWS, INPUTS), states(torchs)

    def distance() -> float:
        with torch.no_grad():  # torch's gates come in the order r, z, n, and its z says how much stays
            r, z, n = torchs.weight_ih.chunk(3)
            bahdanaus.inputs.weight.copy_(torch.cat([-z, r, n]))
            r, z, n = torchs.weight_hh.chunk(3)
            bahdanaus.recurrent_gates.weight.copy_(torch.cat([-z, r]))
            bahdanaus.recurrent.weight.copy_(n)
            r, z, n = (torchs.bias_ih + torchs.bias_hh).chunk(3)
            bahdanaus.inputs.bias.copy_(torch.cat([-z, r, n]))
        ours, theirs = bahdanaus(inputs, state)[0], torchs(inputs, state)[0]
        return float((ours - theirs).abs().max().item())

    with torch.no_grad():
        torchs.bias_hh[2 * HIDDEN :] = 0.0  # which torch adds within the reset product
    assert distance() > 1e-3
    with torch.no_grad():
        torchs.bias_ih[:HIDDEN] = 1e3
    assert distance() < 1e-12


def test_recurrent_dropout_drops_what_is_written_and_not_what_is_remembered() -> None:
    """In evaluation it is an LSTM; with everything dropped the memory is only forgotten."""
    lstm = fill(LSTMCell(INPUTS, HIDDEN).double())
    cell = RecurrentDropoutLSTMCell(INPUTS, HIDDEN, 0.9999999).double()
    cell.load_state_dict(lstm.state_dict())
    inputs, state = waves(ROWS, INPUTS), states(cell)
    for ours, theirs in zip(cell.eval()(inputs, state), lstm(inputs, state), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    _, memory = cell.train()(inputs, state)
    gates = inputs @ cell.weight_ih.T + cell.bias_ih + state[0] @ cell.weight_hh.T + cell.bias_hh
    torch.testing.assert_close(memory, gates[:, HIDDEN : 2 * HIDDEN].sigmoid() * state[1], rtol=0, atol=1e-12)


def stack(residual: bool = False, variational: bool = False, dropout: float = 0.0) -> StackedCell:
    cells = [LSTMCell(INPUTS, HIDDEN), LSTMCell(HIDDEN, HIDDEN), LSTMCell(HIDDEN, HIDDEN)]
    return fill(StackedCell(cells, dropout, residual, variational).double())


def test_a_residual_stack_adds_what_a_layer_reads_from_the_second_layer_up() -> None:
    cells = stack(residual=True)
    hidden, memory = waves(3, ROWS, HIDDEN, phase=1.0), waves(3, ROWS, HIDDEN, phase=2.0)
    inputs = waves(ROWS, INPUTS)
    found, _, given = cells(inputs, hidden, memory, cells.masks(hidden))
    below = inputs
    for layer, cell in enumerate(cells.cells):
        new, _ = cell(below, (hidden[layer], memory[layer]))
        assert torch.equal(found[layer], new)
        below = new + below if layer else new
    assert torch.equal(given, below)


def test_variational_dropout_drops_the_same_values_at_every_step_and_of_the_past_too() -> None:
    cells = stack(variational=True, dropout=0.5).train()
    hidden, memory = waves(3, ROWS, HIDDEN, phase=1.0), waves(3, ROWS, HIDDEN, phase=2.0)
    masks = cells.masks(hidden)
    assert masks.shape == (3, ROWS, 2 * HIDDEN)
    assert set(masks.flatten().tolist()) == {0.0, 2.0}
    for phase in (0.0, 5.0):  # two steps, the same masks
        inputs = waves(ROWS, INPUTS, phase=phase)
        found, remembered, _ = cells(inputs, hidden, memory, masks)
        below = inputs
        for layer, cell in enumerate(cells.cells):
            of_below, of_past = masks[layer].chunk(2, dim=1)
            read = below * of_below if layer else below
            below, expected = cell(read, (hidden[layer] * of_past, memory[layer]))
            assert torch.equal(found[layer], below)
            assert torch.equal(remembered[layer], expected)
        hidden, memory = found, remembered
    assert cells.eval().masks(hidden).shape == (3, ROWS, 0)
