"""One step of an LSTM cell by oneDNN's products, for the search."""

from jaxtyping import Float
from torch import Tensor, nn

from nmt.model.fast.products import goes_fast, linear


def lstm_step(
    cell: nn.LSTMCell,
    inputs: Float[Tensor, "rows in"],
    hidden: Float[Tensor, "rows hid"],
    memory: Float[Tensor, "rows hid"],
) -> tuple[Float[Tensor, "rows hid"], Float[Tensor, "rows hid"]]:
    """The next hidden and cell states: the same as `cell(inputs, (hidden, memory))`, up to rounding."""
    if not goes_fast(inputs):
        following: tuple[Tensor, Tensor] = cell(inputs, (hidden, memory))
        return following
    gates = linear(inputs, cell.weight_ih, cell.bias_ih) + linear(hidden, cell.weight_hh, cell.bias_hh)
    enter, forget, candidate, leave = gates.chunk(4, dim=1)
    memory = forget.sigmoid() * memory + enter.sigmoid() * candidate.tanh()
    return leave.sigmoid() * memory.tanh(), memory
