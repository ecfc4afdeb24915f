"""The recurrent cells that `model.cell` may be, of encoder and decoder alike."""

from typing import Annotated, Literal

from pydantic import Field

from nmt.recipe.section import Fraction, NonNegativeFloat, Section


class LSTMOptions(Section):
    """Long short-term memory as torch has it (Hochreiter and Schmidhuber 1997; Gers et al. 2000)."""

    type: Literal["lstm"] = "lstm"
    forget_bias: NonNegativeFloat | None = None
    """First bias of the forget gate; null: what `model.init` says."""
    recurrent_dropout: Fraction = 0.0
    """Share of the candidates that are not written to the memory (Semeniuta et al. 2016)."""


class GRUOptions(Section):
    """The gated recurrent unit as cuDNN has it (Cho et al. 2014)."""

    type: Literal["gru"]


class BahdanauGRUOptions(Section):
    """The same with the reset gate where Bahdanau et al. 2015 place it, appendix A.1.1."""

    type: Literal["gru_bahdanau"]


class RNNOptions(Section):
    """tanh alone (Elman 1990)."""

    type: Literal["rnn"]


class LayerNormLSTMOptions(Section):
    """The LSTM with layer normalisation (Ba et al. 2016)."""

    type: Literal["lstm_layer_norm"]
    forget_bias: NonNegativeFloat | None = None
    """First bias of the forget gate; null: what `model.init` says."""


class LayerNormGRUOptions(Section):
    """The gated recurrent unit with layer normalisation (Ba et al. 2016)."""

    type: Literal["gru_layer_norm"]


class MultiplicativeLSTMOptions(Section):
    """The LSTM in which the state that enters the gates depends on the input (Krause et al. 2016).

    As in its authors' first program, the candidate is not squashed, and the output gate stands within the tanh.
    """

    type: Literal["lstm_multiplicative"]
    forget_bias: NonNegativeFloat | None = None
    """First bias of the forget gate; null: what `model.init` says."""


AnyLSTM = LSTMOptions | LayerNormLSTMOptions | MultiplicativeLSTMOptions
"""The cells that have a memory beside their state, and a gate that forgets it."""

CellOptions = Annotated[
    AnyLSTM | GRUOptions | BahdanauGRUOptions | RNNOptions | LayerNormGRUOptions, Field(discriminator="type")
]
