"""The encoder: an LSTM, in both directions by default, over right-padded text."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.model.fast.layers import LSTM


@dataclass(frozen=True)
class EncoderOutput:
    """What the encoder knows of a batch of sentences; `enc` is the width of all directions together.

    Attributes:
        memory: the top layer's state at each position; zeros in the padding.
        hidden: each layer's last hidden state (after the last token forwards, after the first one backwards).
        cell: each layer's last cell state.
    """

    memory: Float[Tensor, "batch src enc"]
    hidden: Float[Tensor, "layers batch enc"]
    cell: Float[Tensor, "layers batch enc"]


class Encoder(nn.Module):
    """Stacked LSTM with dropout between the layers, unidirectional or bidirectional."""

    def __init__(self, embedding_size: int, hidden_size: int, layers: int, bidirectional: bool, dropout: float) -> None:
        """`hidden_size` is the number of units per direction."""
        super().__init__()
        self.lstm = LSTM(
            embedding_size,
            hidden_size,
            num_layers=layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,
        )

    def forward(self, embedded: Float[Tensor, "batch src emb"], lengths: Int[Tensor, " batch"]) -> EncoderOutput:
        """Reads the sentences; every length must be at least 1."""
        memory, hidden, cell = self.lstm(embedded, lengths)
        return EncoderOutput(memory, self._join(hidden), self._join(cell))

    def _join(self, state: Float[Tensor, "layers_directions batch unit"]) -> Float[Tensor, "layers batch enc"]:
        directions = 2 if self.lstm.bidirectional else 1
        layers = state.reshape(self.lstm.num_layers, directions, *state.shape[1:])
        return torch.cat(list(layers.unbind(1)), dim=-1)
