"""Floating-point operations that a model has to do, by closed formula: the arithmetic limit of its speed.

A multiplication with the addition that follows counts as two operations. Only matrix products count: all else (gates,
softmax, dropout, the optimizer) is a small share of the arithmetic, though not always of the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt.recipe.attention import AdditiveAttention, DotAttention, GeneralAttention, NoAttention
from nmt.recipe.cells import LSTMOptions
from nmt.recipe.decoder import BahdanauWiring, LuongWiring
from nmt.recipe.model import ModelOptions

TRAINING = 3
"""A training step does three times the forward pass: backward, each product becomes two of the same size."""


@dataclass(frozen=True)
class Costs:
    """Operations of one forward pass, by what they grow with; padding costs nothing, for it need not be computed.

    Attributes:
        sentence: for each sentence pair, whatever its length.
        source_token: for each source token, the end included.
        target_token: for each target token, the end included; in search, for each step of each hypothesis.
        pair: for each target token and each token of its source.
    """

    sentence: int
    source_token: int
    target_token: int
    pair: int

    def forward(self, src_lengths: Sequence[int], tgt_lengths: Sequence[int], hypotheses: int = 1) -> int:
        """Operations of a forward pass over sentence pairs, or of a search that keeps so many hypotheses open.

        Args:
            src_lengths: tokens of each source, the end included.
            tgt_lengths: tokens of each target, the end included.
            hypotheses: in search; the first step has one only.
        """
        steps = [hypotheses * (length - 1) + 1 for length in tgt_lengths]
        pairs = sum(source * step for source, step in zip(src_lengths, steps, strict=True))
        encoder = self.sentence * len(src_lengths) + self.source_token * sum(src_lengths)
        return encoder + self.target_token * sum(steps) + self.pair * pairs


def costs(options: ModelOptions, tgt_vocab: int) -> Costs:
    """The costs of an LSTM network with Luong's wiring or Bahdanau's, as most recipes describe.

    Args:
        options: the recipe's `model`.
        tgt_vocab: number of pieces that the output layer chooses from.

    Raises:
        ValueError: if the recipe describes another one.
    """
    if not isinstance(options.cell, LSTMOptions):
        raise ValueError(f"no formula for cell {options.cell.type}")
    emb, hid, memory = options.embedding_size, options.hidden_size, options.encoder_width
    attention = _attention(options)
    reads_both = isinstance(options.attention, NoAttention)
    bridge = 2 * _product(memory if reads_both else options.encoder_size, options.layers * hid)
    inputs = [emb + attention.cell_input] + [hid] * (options.layers - 1)
    return Costs(
        sentence=bridge if options.bridge == "linear" else 0,
        source_token=_encoder(options) + attention.source_token,
        target_token=sum(_lstm(size, hid) for size in inputs) + attention.target_token + _output(options, tgt_vocab),
        pair=attention.pair,
    )


@dataclass(frozen=True)
class _Attention:
    """The attention's share of the costs, and by how much it widens the input of the decoder's cell."""

    source_token: int
    target_token: int
    pair: int
    cell_input: int


def _attention(options: ModelOptions) -> _Attention:
    emb, hid, memory = options.embedding_size, options.hidden_size, options.encoder_width
    attention = options.attention
    context = _product(1, memory)  # one more weighted state of the encoder
    combine = _product(memory + hid, hid)
    match options.decoder, attention:
        case LuongWiring(), NoAttention():
            return _Attention(0, 0, 0, 0)
        case LuongWiring(input_feeding=feeds), DotAttention(window=None):
            return _Attention(0, combine, _product(1, hid) + context, hid * feeds)
        case LuongWiring(input_feeding=feeds), GeneralAttention(window=None):
            return _Attention(_product(memory, hid), combine, _product(1, hid) + context, hid * feeds)
        case LuongWiring() | BahdanauWiring(output="tanh") as wiring, AdditiveAttention(window=None, coverage=None):
            query, pair = _product(hid, attention.size), _product(1, attention.size) + context
            if isinstance(wiring, LuongWiring):
                return _Attention(_product(memory, attention.size), query + combine, pair, hid * wiring.input_feeding)
            deep = _product(hid + memory + emb, hid)
            return _Attention(_product(memory, attention.size), query + deep, pair, memory)
        case _:
            raise ValueError(f"no formula for decoder {options.decoder} with attention {attention}")


def _encoder(options: ModelOptions) -> int:
    directions = 2 if options.encoder.bidirectional else 1
    inputs = [options.embedding_size] + [options.encoder_width] * (options.encoder.layers - 1)
    return directions * sum(_lstm(size, options.encoder_size) for size in inputs)


def _output(options: ModelOptions, vocab: int) -> int:
    emb, hid = options.embedding_size, options.hidden_size
    if not options.tie_output:
        return _product(hid, vocab)
    return _product(emb, vocab) + (_product(hid, emb) if emb != hid else 0)


def _lstm(inputs: int, units: int) -> int:
    """One step of an LSTM layer: four gates, each of which reads the input and the state."""
    return _product(inputs + units, 4 * units)


def _product(inputs: int, outputs: int) -> int:
    """One row times a matrix."""
    return 2 * inputs * outputs
