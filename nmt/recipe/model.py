"""The recipe's `model`: the network, and what in it cannot be combined."""

from collections.abc import Iterator
from typing import Any, Literal

from nmt.recipe.attention import (
    AdditiveAttention,
    Attention,
    DotAttention,
    GeneralAttention,
    NoAttention,
    PredictiveWindow,
    SummaryAttention,
)
from nmt.recipe.cells import AnyLSTM, CellOptions, LSTMOptions
from nmt.recipe.decoder import BahdanauWiring, ConditionalWiring, GnmtWiring, LuongWiring, SeeWiring, Wiring
from nmt.recipe.initial_values import Init, UniformInit
from nmt.recipe.section import Fraction, Positive, Problem, Section


class EncoderOptions(Section):
    """The recurrent encoder."""

    hidden_size: Positive | None = None
    """Units per direction; null: chosen such that the states are as wide as the decoder's."""
    layers: Positive = 1
    """Number of stacked layers."""
    bidirectional: bool | Literal["bottom"] = True
    """Read the source in both directions: in all layers, or in the bottom one only (GNMT, Wu et al. 2016)."""
    reverse: bool = False
    """Read it from the last word to the first, then its end (Sutskever et al. 2014); for a unidirectional encoder."""
    self_attention: Positive | None = None
    """Heads of an attention of the encoder's states to each other; null: none."""


class ModelOptions(Section):
    """The network."""

    cell: CellOptions = LSTMOptions()
    embedding_size: Positive = 256
    """Size of the word embeddings."""
    hidden_size: Positive = 512
    """Units of the decoder's layers."""
    layers: Positive = 1
    """Layers of the decoder."""
    encoder: EncoderOptions = EncoderOptions()
    decoder: Wiring = LuongWiring()
    attention: Attention = GeneralAttention()
    pointer: bool = False
    """Words can be copied from the source, those that the vocabulary has not, too (the pointer-generator of See et al.
    2017, section 2.2); needs a joint tokenizer."""
    residual: bool = False
    """Add what a layer reads to what it gives, where both have the same width (Wu et al. 2016, section 3.1)."""
    bridge: Literal["linear", "both", "mean", "copy", "zero"] = "linear"
    """The decoder's first state: linear + tanh of the backward encoder's last state (Bahdanau; without attention as
    `both`), of both directions' last states (JoeyNMT), or of the mean of the encoder's states (Nematus), a copy of the
    encoder's last states (Luong), or zeros."""
    dropout: Fraction = 0.2
    """Share of units dropped on non-recurrent connections (Zaremba et al. 2014)."""
    embedding_dropout: Fraction | None = None
    """That of the word embeddings; null: as `dropout`."""
    memory_dropout: Fraction | None = None
    """That of the encoder's states, which the attention sees, or of their summary; null: as `dropout`."""
    output_dropout: Fraction | None = None
    """That of what predicts the words; null: as `dropout`."""
    variational_dropout: bool = False
    """Drop the same units at all steps of a sentence, and of the recurrent connections, too (Gal and Ghahramani
    2016)."""
    tie_output: bool = False
    """Use the target embedding as the output layer's matrix (Press and Wolf 2017)."""
    share_embeddings: bool = False
    """One embedding for source and target; needs a joint tokenizer."""
    init: Init = UniformInit()

    def problems(self) -> Iterator[Problem]:
        """See `Section`."""
        yield from ((key, need) for wrong, key, need in self._checks() if wrong)

    def _checks(self) -> Iterator[tuple[bool, str, str]]:
        """Whether something is wrong, with which field, and what it needs."""
        width, encoder, decoder, attention = self.encoder_width, self.encoder, self.decoder, self.attention
        none = isinstance(attention, NoAttention)
        layers_match = width == self.hidden_size and encoder.layers == self.layers
        yield (
            encoder.hidden_size is None and width != self.hidden_size,
            "hidden_size",
            "must be even for a bidirectional encoder, or give encoder.hidden_size",
        )
        yield (
            isinstance(attention, DotAttention) and width != self.hidden_size,
            "attention.type",
            f"dot needs encoder states as wide as hidden_size ({self.hidden_size}), but they have {width} units",
        )
        yield (
            self.bridge == "copy" and not (layers_match or self.copies_by_direction),
            "bridge",
            "copy needs an encoder with the decoder's layers and width",
        )
        yield (
            self.bridge == "zero" and none,
            "bridge",
            "zero with attention none would hide the source from the decoder",
        )
        yield (
            encoder.reverse and bool(encoder.bidirectional),
            "encoder.reverse",
            "is for a unidirectional encoder; a bidirectional one reads both ways",
        )
        yield (
            encoder.bidirectional == "bottom" and encoder.layers < 2,
            "encoder.bidirectional",
            "bottom needs encoder.layers of 2 or more",
        )
        yield (
            encoder.self_attention is not None and width % encoder.self_attention > 0,
            "encoder.self_attention",
            f"must divide the width of the encoder's states, {width}",
        )
        yield (
            encoder.self_attention is not None and not self.attends,
            "encoder.self_attention",
            f"is for what an attention reads; attention {attention.type} reads none of it",
        )
        yield (
            none and not isinstance(decoder, LuongWiring),
            "decoder.type",
            f"{decoder.type} needs an attention; with none the decoder has no wiring to choose",
        )
        yield isinstance(decoder, ConditionalWiring) and self.layers > 1, "layers", "must be 1 for decoder conditional"
        yield isinstance(decoder, GnmtWiring) and self.layers < 2, "layers", "must be 2 or more for decoder gnmt"
        yield (
            isinstance(attention, AdditiveAttention) and None not in (attention.window, attention.coverage),
            "attention.coverage",
            "excludes attention.window",
        )
        yield (
            self.pointer and not self.attends,
            "pointer",
            f"needs an attention whose weights say what is copied; attention {attention.type} has none",
        )
        yield (
            self.pointer
            and isinstance(attention, AdditiveAttention | DotAttention | GeneralAttention)
            and isinstance(attention.window, PredictiveWindow),
            "pointer",
            "needs weights that sum to one; those of attention.window predictive do not",
        )
        yield self.takes_maxout and self.hidden_size % 2 == 1, "decoder.output", "maxout needs an even hidden_size"
        yield (
            self.variational_dropout and not isinstance(decoder, LuongWiring | BahdanauWiring | SeeWiring),
            "variational_dropout",
            "needs decoder luong, bahdanau or see",
        )

    def of_trained(self) -> dict[str, Any]:
        """What a trained network depends on: all but initial values and the dropout that is no part of a cell."""
        dumped = self.model_dump(
            exclude={
                "dropout": True,
                "embedding_dropout": True,
                "memory_dropout": True,
                "output_dropout": True,
                "init": True,
                "cell": {"forget_bias"},
            }
        )
        if isinstance(self.attention, AdditiveAttention):
            dumped["attention"]["type"] = "additive"  # concat is the same by another name
        return dumped

    @property
    def encoder_size(self) -> int:
        """Units of the encoder per direction."""
        halved = self.encoder.bidirectional is True
        return self.encoder.hidden_size or self.hidden_size // (2 if halved else 1)

    @property
    def encoder_width(self) -> int:
        """Width of the encoder's states, both directions together."""
        return self.encoder_size * (2 if self.encoder.bidirectional is True else 1)

    @property
    def copies_by_direction(self) -> bool:
        """Whether each direction of an encoder layer can begin a layer of the decoder."""
        both, layers = self.encoder.bidirectional is True, 2 * self.encoder.layers
        return both and self.encoder_size == self.hidden_size and layers == self.layers

    @property
    def attends(self) -> bool:
        """Whether there is an attention whose weights say where a step looks."""
        return not isinstance(self.attention, NoAttention | SummaryAttention)

    @property
    def has_coverage(self) -> bool:
        """Whether the attention knows what it has looked at."""
        return isinstance(self.attention, AdditiveAttention) and self.attention.coverage is not None

    @property
    def takes_maxout(self) -> bool:
        """Whether pairs of units compete for what predicts the word, so that it has half as many numbers."""
        decoder = self.decoder
        return isinstance(decoder, BahdanauWiring | ConditionalWiring) and decoder.output == "maxout"

    @property
    def has_cell_state(self) -> bool:
        """Whether the recurrent cell has a state beside the hidden one."""
        return isinstance(self.cell, AnyLSTM)
