"""The random values that a network begins with, by what each of its parameters is for.

What a parameter is for is told by the class of a module that has it, never by where it stands in the network. How such
parameters begin is said by a scheme, a small function each.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, assert_never

import torch
from torch import Tensor, nn

from nmt.model.attention import AdditiveScore, GeneralScore, LocationScore, NormedAdditiveScore, ScaledScore
from nmt.model.cells import BahdanauGRUCell, LayerNormGRUCell, LayerNormLSTMCell, MultiplicativeLSTMCell
from nmt.model.coverage import CoverageAttention, NeuralCoverage
from nmt.model.intra import IntraAttention

Drawn = Literal["embedding", "weight", "recurrent", "bias", "alignment", "alignment_vector"]
"""What a parameter is for whose first value a scheme decides.

embedding: the vectors of words, of a tied output layer, too. weight: the matrix of a product. recurrent: what the state
before a step is multiplied by, one square matrix for each gate. bias. alignment: W_a and U_a, the matrices of an
attention's score, V_a of what it has covered, and W of the decoder's to its past. alignment_vector: v_a.
"""

Role = Drawn | Literal["factor"]
"""The same, or a factor (or shift) of a normalisation, which begins as it is made, whatever the scheme."""

Scheme = Callable[[Tensor, Drawn], object]
"""Gives a parameter its first value in place, from torch's random state."""


def initialise(model: nn.Module, scheme: Scheme, forget_bias: float | None) -> None:
    """Gives every parameter its first value, in the order of `model.parameters()`.

    Args:
        model: the network.
        scheme: one of those below.
        forget_bias: the bias of every LSTM's forget gates; with 1 its memory lasts from the start (Jozefowicz et al.
            2015). None: what the scheme makes of it.
    """
    for parameter, role in roles(model).items():
        if role != "factor":
            scheme(parameter, role)
    if forget_bias is not None:
        _set_forget_gates(model, forget_bias)


# -- schemes ------------------------------------------------------------------------------------------------------


def uniform(bound: float) -> Scheme:
    """From [-bound, bound], whatever a parameter is for: Luong et al. 2015, section 4.1."""
    return lambda parameter, _: nn.init.uniform_(parameter, -bound, bound)


def xavier(parameter: Tensor, role: Drawn) -> None:
    """Glorot and Bengio 2010 for matrices; words of variance 1 / size, so that their vectors are about as long as 1."""
    match role:
        case "embedding":
            nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
        case "recurrent":
            _orthogonal_gates(parameter)
        case "bias":
            nn.init.zeros_(parameter)
        case "weight" | "alignment" | "alignment_vector":
            nn.init.xavier_uniform_(parameter)
        case _:
            assert_never(role)


def bahdanau(parameter: Tensor, role: Drawn) -> None:
    """Bahdanau et al. 2015, appendix B.1."""
    match role:
        case "recurrent":
            _orthogonal_gates(parameter)
        case "alignment":
            nn.init.normal_(parameter, std=0.001)
        case "alignment_vector" | "bias":
            nn.init.zeros_(parameter)
        case "embedding" | "weight":
            nn.init.normal_(parameter, std=0.01)
        case _:
            assert_never(role)


@torch.no_grad()
def _orthogonal_gates(weight: Tensor) -> None:
    """An orthogonal matrix for each gate."""
    for gate in weight.chunk(len(weight) // weight.shape[1]):
        nn.init.orthogonal_(gate)


# -- roles --------------------------------------------------------------------------------------------------------


def roles(model: nn.Module) -> dict[Tensor, Role]:
    """What every parameter is for, in the order of `model.parameters()`.

    What a module says of its parts counts, not what these say themselves: a linear layer does not know that it belongs
    to a score. Of a tensor that two modules share the first says what it is for.

    Raises:
        TypeError: if no module says what a parameter is for.
    """
    told: dict[Tensor, Role] = {}
    for module in model.modules():  # each one before its parts
        for of in (_of_cells, _of_attentions, _of_torchs):
            for role, parameter in of(module):
                told.setdefault(parameter, role)
    for name, parameter in model.named_parameters():
        if parameter not in told:
            raise TypeError(f"{name}: nmt.model.initial_values does not say what this parameter is for")
    return {parameter: told[parameter] for parameter in model.parameters()}


def _of_cells(module: nn.Module) -> Iterator[tuple[Role, Tensor]]:
    match module:
        case BahdanauGRUCell() | MultiplicativeLSTMCell():
            yield "recurrent", module.recurrent.weight
            yield "recurrent", module.recurrent_gates.weight
        case LayerNormLSTMCell():
            yield "recurrent", module.recurrent.weight
            yield "bias", module.bias
        case LayerNormGRUCell() | NeuralCoverage():
            yield "recurrent", module.recurrent.weight


def _of_attentions(module: nn.Module) -> Iterator[tuple[Role, Tensor]]:
    match module:
        case AdditiveScore():
            yield "alignment", module.query.weight
            yield "alignment", module.memory.weight
            yield "alignment_vector", module.score.weight
        case NormedAdditiveScore():
            yield "alignment", module.additive.score.weight  # divided by its length, which must not be 0
            yield "factor", module.gain
        case GeneralScore():
            yield "alignment", module.memory.weight
        case ScaledScore():
            yield "alignment", module.memory.weight
            yield "factor", module.gain
        case LocationScore():
            yield "alignment", module.place.weight
        case CoverageAttention():
            yield "alignment", module.covered.weight
        case IntraAttention():
            yield "alignment", module.query.weight


def _of_torchs(module: nn.Module) -> Iterator[tuple[Role, Tensor]]:
    """Torch's own modules; the names of their parameters are torch's, such as weight_hh_l0 and in_proj_bias."""
    match module:
        case nn.Embedding():
            yield "embedding", module.weight
        case nn.LayerNorm():
            yield from _by_name(module, {"weight": "factor", "bias": "factor"})
        case nn.RNNBase() | nn.RNNCellBase():
            yield from _by_name(module, {"weight_hh": "recurrent", "weight_ih": "weight", "bias": "bias"})
        case nn.Linear() | nn.MultiheadAttention():
            yield from _by_name(module, {"weight": "weight", "bias": "bias"})


def _by_name(module: nn.Module, known: Mapping[str, Role]) -> Iterator[tuple[Role, Tensor]]:
    for name, parameter in module.named_parameters(recurse=False):
        yield from ((role, parameter) for part, role in known.items() if part in name)


# -- forget gates -------------------------------------------------------------------------------------------------


@torch.no_grad()
def _set_forget_gates(model: nn.Module, value: float) -> None:
    """The gates of every LSTM come in the order i, f, g, o."""
    for module in model.modules():
        match module:
            case nn.LSTM() | nn.LSTMCell():  # torch's have two biases, which are added
                for name, bias in module.named_parameters():
                    if name.startswith("bias"):
                        bias.chunk(4)[1].fill_(value if name.startswith("bias_ih") else 0.0)
            case LayerNormLSTMCell():
                module.bias.chunk(4)[1].fill_(value)
            case MultiplicativeLSTMCell():
                module.inputs.bias[module.hidden_size :].chunk(4)[1].fill_(value)
