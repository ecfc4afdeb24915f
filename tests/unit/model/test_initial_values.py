"""What every parameter is for, by what it does, and the values that each scheme begins it with."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nmt.model.build import build_model
from nmt.model.cells import LayerNormLSTMCell, StackedCell
from nmt.model.cells import MultiplicativeLSTMCell as Multiplicative
from nmt.model.coverage import NeuralCoverage
from nmt.model.encoder import TorchReader
from nmt.model.initial_values import Scheme, bahdanau, initialise, roles, uniform, xavier
from nmt.model.seq2seq import Seq2Seq
from nmt.recipe.model import ModelOptions
from tests.helpers import ATTENTIONS, MECHANISMS

ALL = [*ATTENTIONS, *MECHANISMS]
VOCAB = 300


def network(mechanism: str, scheme: Scheme | None = None, forget_bias: float | None = None, **options: Any) -> Seq2Seq:
    """With initial values by a scheme, if one is given."""
    fields = {"embedding_size": 40, "hidden_size": 50} | (ATTENTIONS | MECHANISMS)[mechanism] | options
    model = build_model(ModelOptions.model_validate(fields), VOCAB, VOCAB)
    if scheme is not None:
        initialise(model, scheme, forget_bias)
    return model


# -- what parameters are for --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ALL)
@pytest.mark.parametrize("tied", [{}, {"tie_output": True}, {"tie_output": True, "share_embeddings": True}])
def test_every_parameter_is_for_one_thing(mechanism: str, tied: dict[str, Any]) -> None:
    model = network(mechanism, **tied)
    told = roles(model)
    assert list(map(id, told)) == list(map(id, model.parameters()))
    embeddings = {model.src_embedding.weight, model.tgt_embedding.weight}
    assert {parameter for parameter, role in told.items() if role == "embedding"} == embeddings
    assert (model.output.words.weight in embeddings) == bool(tied)


def test_what_nobody_has_named_is_not_forgotten() -> None:
    class Scaled(nn.Linear):
        def __init__(self) -> None:
            super().__init__(2, 2)
            self.scale = nn.Parameter(torch.ones(2))

    for module, name in ((nn.Bilinear(2, 2, 2), "weight"), (Scaled(), "scale")):
        with pytest.raises(TypeError, match=rf"^1\.{name}: .* does not say what this parameter is for"):
            roles(nn.Sequential(nn.Linear(2, 2), module))


@pytest.mark.parametrize("mechanism", ALL)
def test_biases_and_factors_are_what_is_no_matrix(mechanism: str) -> None:
    for parameter, role in roles(network(mechanism)).items():
        assert (role in ("bias", "factor")) == (parameter.ndim < 2)


def first_steps(model: Seq2Seq) -> Iterator[tuple[nn.Module, Tensor]]:
    """Every recurrent module, and what it gives for something read and nothing remembered."""
    for module in model.modules():
        match module:
            case TorchReader():
                read = module.network.input_size
                yield module, module(torch.ones(1, 1, read), torch.tensor([1])).memory
            case NeuralCoverage():
                weights, query = torch.ones(1, 1, 1), torch.ones(1, 1, module.query.in_features)
                keys = module.keys(torch.ones(1, 1, module.memory.in_features))
                yield module, module(torch.zeros(1, 1, 1, module.size), weights, query, keys)
            case StackedCell():
                pass
            case _ if type(module).__name__.endswith("Cell"):
                read, size = sizes(module)
                yield module, module(torch.ones(1, read), (torch.zeros(1, size), torch.zeros(1, size)))[0]


def sizes(cell: nn.Module) -> tuple[int, int]:
    """What a cell reads, and what it remembers."""
    if isinstance(cell, nn.RNNCellBase):
        return cell.input_size, cell.hidden_size
    read, past = cell.get_submodule("inputs"), cell.get_submodule("recurrent")
    assert isinstance(read, nn.Linear)
    assert isinstance(past, nn.Linear)
    return read.in_features, past.in_features


@pytest.mark.parametrize("mechanism", ALL)
def test_recurrent_is_what_multiplies_the_state_before(mechanism: str) -> None:
    """By what it does: where nothing is remembered yet, a recurrent matrix has no gradient; every other one has."""
    model = network(mechanism, uniform(0.1)).eval()
    told, recurrent = roles(model), set()
    for module, output in first_steps(model):
        torch.autograd.backward(output.square().sum())
        for name, parameter in module.named_parameters():
            if parameter.ndim == 2:
                assert parameter.grad is not None
                assert parameter.grad.any() == (told[parameter] != "recurrent"), name
                recurrent.add(parameter)
    assert {parameter for parameter, role in told.items() if role == "recurrent"} <= recurrent


# -- schemes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_uniform_values_lie_in_the_range_and_fill_it(attention: str) -> None:
    for name, parameter in network(attention, uniform(0.03)).named_parameters():
        assert parameter.abs().max() <= 0.03, name
        if parameter.numel() > 2000:
            assert parameter.max() > 0.029, name
            assert parameter.min() < -0.029, name


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("tied", [True, False])
def test_xaviers_values(attention: str, tied: bool) -> None:
    model = network(attention, xavier, tie_output=tied, layers=2, encoder={"layers": 2})
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            assert not parameter.any(), name
        elif "weight_hh" in name:
            for gate in parameter.chunk(4):
                torch.testing.assert_close(gate @ gate.T, torch.eye(len(gate)), rtol=0, atol=1e-5)
        elif "embedding" in name:
            assert parameter.std().item() == pytest.approx(40**-0.5, rel=0.05), name
        else:
            bound = (6 / sum(parameter.shape)) ** 0.5
            assert parameter.abs().max() <= bound, name
            if parameter.numel() > 500:
                assert parameter.abs().max() > 0.95 * bound, name
    if tied:
        assert model.output.words.weight.std().item() == pytest.approx(40**-0.5, rel=0.05)


SMALL = ("attention.score.query.weight", "attention.score.memory.weight")


@pytest.mark.parametrize(
    ("mechanism", "small", "zero"),
    [
        ("none", (), ()),
        ("rnnsearch", SMALL, ("attention.score.score.weight",)),
        ("local_p_additive", SMALL, ("attention.score.score.weight",)),
        ("linguistic_coverage", (*SMALL, "attention.covered.weight"), ("attention.score.score.weight",)),
        ("neural_coverage", (*SMALL, "attention.covered.weight"), ("attention.score.score.weight",)),
        ("general", ("attention.score.memory.weight",), ()),
        ("scaled_dot", ("attention.score.memory.weight",), ()),
        ("location", ("attention.score.place.weight",), ()),
        (
            "normed_additive",
            tuple(f"attention.score.additive.{name}.weight" for name in ("query", "memory", "score")),
            (),
        ),
    ],
)
def test_bahdanaus_values(mechanism: str, small: tuple[str, ...], zero: tuple[str, ...]) -> None:
    """Appendix B.1: orthogonal recurrent matrices; W_a, U_a small; v_a and biases 0; all else from N(0, 0.01^2).

    What else is added to W_a s + U_a h, V_a C of the coverage, is small, too.
    """
    model = network(mechanism, bahdanau, embedding_size=60, hidden_size=80)
    told = roles(model)
    for name, parameter in model.named_parameters():
        assert told[parameter] != "factor" or name.endswith(".gain"), name
        if parameter.ndim == 1 or name.removeprefix("decoder.") in zero:
            assert not parameter.any(), name
        elif told[parameter] == "recurrent":
            for gate in parameter.chunk(len(parameter) // parameter.shape[1]):
                torch.testing.assert_close(gate @ gate.T, torch.eye(len(gate)), rtol=0, atol=1e-5)
        elif told[parameter] != "factor":
            deviation = 0.001 if name.removeprefix("decoder.") in small else 0.01
            tolerance = 6 * (2 * parameter.numel()) ** -0.5  # six times the deviation of what is estimated
            assert parameter.std().item() == pytest.approx(deviation, rel=tolerance), name
            assert abs(parameter.mean().item()) < 6 * deviation * parameter.numel() ** -0.5, name


def test_a_vector_that_is_divided_by_its_length_is_never_zero() -> None:
    model = network("normed_additive", bahdanau)
    outputs, _ = model(torch.tensor([[4, 5, 6]]), torch.tensor([3]), torch.tensor([[7, 8]]))
    assert outputs.isfinite().all()


@pytest.mark.parametrize("mechanism", ALL)
@pytest.mark.parametrize("scheme", [uniform(0.1), xavier, bahdanau], ids=["uniform", "xavier", "bahdanau"])
def test_factors_of_normalisation_begin_as_they_are_made(mechanism: str, scheme: Scheme) -> None:
    model = network(mechanism, scheme)
    for layer in model.modules():
        if isinstance(layer, nn.LayerNorm):
            assert (layer.weight == 1).all()
            assert not layer.bias.any()
    gains = [parameter.item() for name, parameter in model.named_parameters() if name.endswith("gain")]
    expected = {"scaled_dot": [1.0], "normed_additive": [5**-0.5], "gnmt": [5**-0.5]}
    assert gains == pytest.approx(expected.get(mechanism, []))


LSTMS = ["local_m", "lstm_layer_norm", "lstm_multiplicative", "recurrent_dropout", "variational_dropout", "gnmt"]


@pytest.mark.parametrize("mechanism", LSTMS)
@pytest.mark.parametrize("scheme", [uniform(0.1), xavier, bahdanau], ids=["uniform", "xavier", "bahdanau"])
def test_the_forget_gates_of_every_lstm_begin_as_they_are_told(mechanism: str, scheme: Scheme) -> None:
    """By what they do: where all matrices are 0, they are how much more is remembered of a memory of 1 than of 0."""
    model = network(mechanism, scheme, forget_bias=2.0).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.zero_()
    lstms = list(memories(model))
    assert lstms
    for full, empty in lstms:
        torch.testing.assert_close(full - empty, torch.tensor(2.0).sigmoid().expand_as(full), rtol=0, atol=1e-6)


def memories(model: Seq2Seq) -> Iterator[tuple[Tensor, Tensor]]:
    """What every LSTM remembers after a step from a memory of 1, and from one of 0."""
    for module in model.modules():
        match module:
            case nn.LSTM():
                states = torch.zeros(module.num_layers * (1 + module.bidirectional), 1, module.hidden_size)
                read = torch.zeros(1, 1, module.input_size)
                one, zero = (nn.LSTM.forward(module, read, (states, states + memory))[1][1] for memory in (1, 0))
                yield one, zero
            case nn.LSTMCell() | LayerNormLSTMCell() | Multiplicative():
                width, size = sizes(module)
                read, states = torch.zeros(1, width), torch.zeros(1, size)
                one, zero = (module(read, (states, states + memory))[1] for memory in (1, 0))
                yield one, zero
