"""From the recipe to the network: the only module of the model that reads the recipe."""

from typing import assert_never

import torch
from torch import nn

from nmt.model.attention import AdditiveScore, DotScore, GeneralScore
from nmt.model.decoder import (
    BahdanauDecoder,
    Bridge,
    CopyBridge,
    Decoder,
    LinearBridge,
    LuongDecoder,
    PlainDecoder,
    StackedCell,
    ZeroBridge,
)
from nmt.model.encoder import Encoder
from nmt.model.output import OutputLayer
from nmt.model.seq2seq import Seq2Seq
from nmt.recipe import (
    AdditiveAttention,
    ConcatAttention,
    DotAttention,
    GeneralAttention,
    ModelOptions,
    NoAttention,
)


def build_model(options: ModelOptions, src_vocab: int, tgt_vocab: int) -> Seq2Seq:
    """The network that the recipe describes, with fresh initial values from torch's random state.

    Args:
        options: the recipe's `model`.
        src_vocab: number of pieces of the source tokenizer.
        tgt_vocab: number of pieces of the target tokenizer.
    """
    tgt_embedding = nn.Embedding(tgt_vocab, options.embedding_size)
    src_embedding = tgt_embedding if options.share_embeddings else nn.Embedding(src_vocab, options.embedding_size)
    encoder = Encoder(
        options.embedding_size,
        options.encoder_size,
        options.encoder.layers,
        options.encoder.bidirectional,
        options.dropout,
    )
    output = OutputLayer(options.hidden_size, tgt_vocab, tgt_embedding if options.tie_output else None)
    model = Seq2Seq(
        src_embedding,
        tgt_embedding,
        encoder,
        _bridge(options),
        _decoder(options),
        output,
        options.dropout,
    )
    _initialise(model, options)
    return model


def _decoder(options: ModelOptions) -> Decoder:
    hidden, memory = options.hidden_size, options.encoder_width
    attention = options.attention
    match attention:
        case NoAttention():
            return PlainDecoder(_cell(options, options.embedding_size))
        case AdditiveAttention():
            cell = _cell(options, options.embedding_size + memory)
            score = AdditiveScore(hidden, memory, attention.size)
            return BahdanauDecoder(cell, score, memory, hidden, options.embedding_size)
        case DotAttention():
            return _luong(options, DotScore())
        case GeneralAttention():
            return _luong(options, GeneralScore(hidden, memory))
        case ConcatAttention():
            return _luong(options, AdditiveScore(hidden, memory, attention.size))
        case _:
            assert_never(attention)


def _luong(options: ModelOptions, score: DotScore | GeneralScore | AdditiveScore) -> LuongDecoder:
    feed = options.hidden_size if options.input_feeding else 0
    cell = _cell(options, options.embedding_size + feed)
    return LuongDecoder(cell, score, options.encoder_width, options.hidden_size, options.input_feeding)


def _cell(options: ModelOptions, input_size: int) -> StackedCell:
    return StackedCell(input_size, options.hidden_size, options.layers, options.dropout)


def _bridge(options: ModelOptions) -> Bridge:
    match options.bridge:
        case "linear":
            # Without attention nothing else would read what the encoder makes of the source forwards.
            both = isinstance(options.attention, NoAttention)
            size = options.encoder_width if both else options.encoder_size
            return LinearBridge(size, options.hidden_size, options.layers)
        case "copy":
            return CopyBridge()
        case "zero":
            return ZeroBridge(options.hidden_size, options.layers)
        case _:
            assert_never(options.bridge)


def _initialise(model: Seq2Seq, options: ModelOptions) -> None:
    if options.init == "uniform":
        for parameter in model.parameters():
            nn.init.uniform_(parameter, -options.init_range, options.init_range)
        return
    for name, parameter in model.named_parameters():
        if "embedding" in name:  # a tied output layer, too, goes by this name
            nn.init.normal_(parameter, std=options.embedding_size**-0.5)
        elif parameter.ndim == 1:
            nn.init.zeros_(parameter)
        elif "weight_hh" in name:
            _orthogonal_gates(parameter)
        else:
            nn.init.xavier_uniform_(parameter)
    for lstm in model.modules():
        if isinstance(lstm, nn.LSTM | nn.LSTMCell):
            _open_forget_gates(lstm)


@torch.no_grad()
def _orthogonal_gates(weight: torch.Tensor) -> None:
    """An orthogonal matrix for each of the four gates."""
    for gate in weight.chunk(4):
        nn.init.orthogonal_(gate)


@torch.no_grad()
def _open_forget_gates(lstm: nn.LSTM | nn.LSTMCell) -> None:
    """Bias 1 of the forget gate (Jozefowicz et al. 2015), so that the cell remembers from the start."""
    for name, bias in lstm.named_parameters():
        if name.startswith("bias_ih"):
            bias.chunk(4)[1].fill_(1.0)
