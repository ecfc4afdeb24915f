"""From the recipe to the network: the only module of the model that reads the recipe and the special ids."""

from typing import Literal, assert_never

from torch import nn

from nmt.model.attention import (
    AdditiveScore,
    Attention,
    DotScore,
    GeneralScore,
    GlobalAttention,
    LocationScore,
    NormedAdditiveScore,
    ScaledScore,
    Score,
    SummaryContext,
)
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
from nmt.model.coverage import CoverageAttention, LinguisticCoverage, NeuralCoverage, SumCoverage
from nmt.model.decoder import (
    BahdanauDecoder,
    Bridge,
    ConditionalDecoder,
    CopyBridge,
    Decoder,
    DeepOutput,
    GnmtDecoder,
    LinearBridge,
    LuongDecoder,
    MaxoutOutput,
    MeanBridge,
    PlainDecoder,
    SeeDecoder,
    TanhOutput,
    ZeroBridge,
)
from nmt.model.dropout import Dropout
from nmt.model.encoder import (
    Backwards,
    BothWays,
    CellReader,
    Encoder,
    Reader,
    Refinement,
    SelfAttention,
    Summary,
    TorchReader,
)
from nmt.model.fast.layers import GRU, LSTM, RNN, LSTMCell
from nmt.model.initial_values import Scheme, bahdanau, initialise, uniform, xavier
from nmt.model.intra import IntraAttention
from nmt.model.local import LocalAttention, MonotonicCentre, PredictiveCentre
from nmt.model.output import OutputLayer
from nmt.model.pointer import Pointer
from nmt.model.seq2seq import Seq2Seq
from nmt.recipe.attention import (
    AdditiveAttention,
    DotAttention,
    GeneralAttention,
    LocationAttention,
    MonotonicWindow,
    NoAttention,
    NormedAdditiveAttention,
    PredictiveWindow,
    ScaledDotAttention,
    SummaryAttention,
    Window,
)
from nmt.recipe.cells import (
    AnyLSTM,
    BahdanauGRUOptions,
    GRUOptions,
    LayerNormGRUOptions,
    LayerNormLSTMOptions,
    LSTMOptions,
    MultiplicativeLSTMOptions,
    RNNOptions,
)
from nmt.recipe.decoder import BahdanauWiring, ConditionalWiring, GnmtWiring, LuongWiring, SeeWiring
from nmt.recipe.initial_values import BahdanauInit, UniformInit, XavierInit
from nmt.recipe.model import ModelOptions
from nmt.tokenizer import EOS, UNK


def build_model(options: ModelOptions, src_vocab: int, tgt_vocab: int) -> Seq2Seq:
    """The network that the recipe describes, with fresh initial values from torch's random state.

    Args:
        options: the recipe's `model`.
        src_vocab: number of pieces of the source tokenizer.
        tgt_vocab: number of pieces of the target tokenizer.
    """
    tgt_embedding = nn.Embedding(tgt_vocab, options.embedding_size)
    src_embedding = tgt_embedding if options.share_embeddings else nn.Embedding(src_vocab, options.embedding_size)
    rates = options.embedding_dropout, options.memory_dropout, options.output_dropout
    of_embedding, of_memory, of_output = (_dropout(options, rate) for rate in rates)
    model = Seq2Seq(
        src_embedding,
        tgt_embedding,
        _encoder(options),
        _bridge(options),
        _decoder(options),
        _output_layer(options, tgt_embedding),
        of_embedding,
        of_memory,
        of_output,
        _pointer(options, tgt_vocab),
    )
    initialise(model, _scheme(options), _forget_bias(options))
    return model


def _dropout(options: ModelOptions, rate: float | None = None) -> Dropout:
    """With the given rate, or the one that holds where nothing else is said."""
    return Dropout(options.dropout if rate is None else rate, options.variational_dropout)


# -- cells --------------------------------------------------------------------------------------------------------


def _cell(options: ModelOptions, input_size: int, hidden_size: int) -> Cell:  # noqa: PLR0911 - an arm for each
    match options.cell:
        case LSTMOptions(recurrent_dropout=0.0):
            return LSTMCell(input_size, hidden_size)
        case LSTMOptions(recurrent_dropout=rate):
            return RecurrentDropoutLSTMCell(input_size, hidden_size, rate)
        case GRUOptions():
            return GRUCell(input_size, hidden_size)
        case BahdanauGRUOptions():
            return BahdanauGRUCell(input_size, hidden_size)
        case RNNOptions():
            return RNNCell(input_size, hidden_size)
        case LayerNormLSTMOptions():
            return LayerNormLSTMCell(input_size, hidden_size)
        case LayerNormGRUOptions():
            return LayerNormGRUCell(input_size, hidden_size)
        case MultiplicativeLSTMOptions():
            return MultiplicativeLSTMCell(input_size, hidden_size)
        case _:
            assert_never(options.cell)


def _cells(options: ModelOptions, bottom: int, above: int) -> list[Cell]:
    """Those of the decoder's layers: `bottom` is what the first one reads, `above` what the others read."""
    sizes = [bottom] + [above] * (options.layers - 1)
    return [_cell(options, size, options.hidden_size) for size in sizes]


def _stack(options: ModelOptions, input_size: int) -> StackedCell:
    cells = _cells(options, input_size, options.hidden_size)
    return StackedCell(cells, options.dropout, options.residual, options.variational_dropout)


# -- encoder ------------------------------------------------------------------------------------------------------


def _encoder(options: ModelOptions) -> Encoder:
    refinements: list[Refinement] = []
    if options.encoder.self_attention:
        refinements.append(SelfAttention(options.encoder_width, options.encoder.self_attention, options.dropout))
    if isinstance(options.attention, SummaryAttention) and options.attention.projection:
        refinements.append(Summary(options.encoder_width))
    return Encoder(_readers(options), _dropout(options), options.residual, refinements)


def _readers(options: ModelOptions) -> list[Reader]:
    """One of torch's networks for all layers, where it has what the recipe asks for; else one reader for each layer."""
    layers, both = options.encoder.layers, options.encoder.bidirectional
    if both != "bottom" and not options.residual and _torchs(options):
        return [_reader(options, options.embedding_size, layers, bool(both))]
    readers = []
    size = options.embedding_size
    for layer in range(layers):
        in_both = both is True or (both == "bottom" and layer == 0)
        readers.append(_reader(options, size, 1, in_both))
        size = options.encoder_size * (2 if in_both else 1)
    return readers


def _torchs(options: ModelOptions) -> type[LSTM] | type[GRU] | type[RNN] | None:
    """Torch's network of such cells, if it has one that drops what the recipe says."""
    if options.variational_dropout:
        return None
    match options.cell:
        case LSTMOptions(recurrent_dropout=0.0):
            return LSTM
        case GRUOptions():
            return GRU
        case RNNOptions():
            return RNN
        case _:
            return None


def _reader(options: ModelOptions, input_size: int, layers: int, both: bool) -> Reader:
    size = options.encoder_size
    reader: Reader
    if network := _torchs(options):
        dropout = options.dropout if layers > 1 else 0.0
        reader = TorchReader(network(input_size, size, layers, batch_first=True, bidirectional=both, dropout=dropout))
    elif both:
        reader = BothWays(_cell_reader(options, input_size), Backwards(_cell_reader(options, input_size)))
    else:
        reader = _cell_reader(options, input_size)
    return Backwards(reader, end_last=True) if options.encoder.reverse else reader


def _cell_reader(options: ModelOptions, input_size: int) -> CellReader:
    size = options.encoder_size
    memory_size = size if options.has_cell_state else 0
    drop = options.dropout if options.variational_dropout else 0.0
    return CellReader(_cell(options, input_size, size), size, memory_size, drop)


# -- attention ----------------------------------------------------------------------------------------------------


def _attention(options: ModelOptions) -> Attention:
    match options.attention:
        case SummaryAttention():
            return SummaryContext(_dropout(options, options.memory_dropout))
        case AdditiveAttention(coverage=str(kind), size=size):
            score = AdditiveScore(options.hidden_size, options.encoder_width, size)
            return CoverageAttention(score, _coverage(options, kind))
        case AdditiveAttention(window=window) | DotAttention(window=window) | GeneralAttention(window=window):
            return _windowed(options, window)
        case _:
            return GlobalAttention(_score(options))


def _windowed(options: ModelOptions, window: Window | None) -> Attention:
    score = _score(options)
    match window:
        case MonotonicWindow():
            return LocalAttention(score, MonotonicCentre(), window.width, gaussian=False)
        case PredictiveWindow():
            return LocalAttention(score, PredictiveCentre(options.hidden_size), window.width, gaussian=True)
        case None:
            return GlobalAttention(score)
        case _:
            assert_never(window)


def _coverage(
    options: ModelOptions, kind: Literal["linguistic", "neural", "sum"]
) -> LinguisticCoverage | NeuralCoverage | SumCoverage:
    match kind:
        case "linguistic":
            return LinguisticCoverage(options.encoder_width)
        case "neural":
            return NeuralCoverage(options.hidden_size, options.encoder_width)
        case "sum":
            return SumCoverage()
        case _:
            assert_never(kind)


def _score(options: ModelOptions) -> Score:
    hidden, memory = options.hidden_size, options.encoder_width
    attention = options.attention
    match attention:
        case AdditiveAttention():
            return AdditiveScore(hidden, memory, attention.size)
        case NormedAdditiveAttention():
            return NormedAdditiveScore(hidden, memory, attention.size)
        case DotAttention():
            return DotScore()
        case GeneralAttention():
            return GeneralScore(hidden, memory)
        case ScaledDotAttention():
            return ScaledScore(hidden, memory)
        case LocationAttention():
            return LocationScore(hidden, attention.positions)
        case NoAttention() | SummaryAttention():
            raise ValueError(f"attention {attention.type} has no score")
        case _:
            assert_never(attention)


# -- decoder ------------------------------------------------------------------------------------------------------


def _decoder(options: ModelOptions) -> Decoder:
    embedding, hidden, memory = options.embedding_size, options.hidden_size, options.encoder_width
    if isinstance(options.attention, NoAttention):
        return PlainDecoder(_stack(options, embedding))
    attention = _attention(options)
    match options.decoder:
        case LuongWiring(input_feeding=feeds):
            stack = _stack(options, embedding + (hidden if feeds else 0))
            return LuongDecoder(stack, attention, memory, hidden, feeds)
        case BahdanauWiring():
            return BahdanauDecoder(_stack(options, embedding + memory), attention, _deep_output(options))
        case ConditionalWiring():
            first, second = _cell(options, embedding, hidden), _cell(options, memory, hidden)
            return ConditionalDecoder(first, second, attention, _deep_output(options))
        case GnmtWiring():
            cells = _cells(options, embedding + memory, hidden + memory)
            return GnmtDecoder(cells, attention, memory, options.dropout, options.residual)
        case SeeWiring(intra_attention=intra_attends):
            intra = IntraAttention(hidden) if intra_attends else None
            return SeeDecoder(_stack(options, embedding), attention, memory, embedding, intra)
        case _:
            assert_never(options.decoder)


def _deep_output(options: ModelOptions) -> DeepOutput:
    sizes = options.hidden_size, options.encoder_width, options.embedding_size
    if options.takes_maxout:
        return MaxoutOutput(*sizes, _output_size(options))
    return TanhOutput(*sizes)


def _output_size(options: ModelOptions) -> int:
    """Width of what predicts the words."""
    if isinstance(options.decoder, SeeWiring):
        states = 2 if options.decoder.intra_attention else 1
        return states * options.hidden_size + options.encoder_width
    return options.hidden_size // 2 if options.takes_maxout else options.hidden_size


def _output_layer(options: ModelOptions, embedding: nn.Embedding) -> OutputLayer:
    between = options.hidden_size if isinstance(options.decoder, SeeWiring) else None
    tied = embedding if options.tie_output else None
    return OutputLayer(_output_size(options), embedding.num_embeddings, tied, between)


def _pointer(options: ModelOptions, vocab: int) -> Pointer | None:
    if not options.pointer:
        return None
    return Pointer(_output_size(options), options.embedding_size, vocab, UNK, EOS)


def _bridge(options: ModelOptions) -> Bridge:
    match options.bridge:
        case "linear" | "both":
            # Without attention nothing else would read what the encoder makes of the source forwards.
            backward = options.bridge == "linear" and options.attends
            size = options.encoder_size if backward else options.encoder_width
            return LinearBridge(size, options.hidden_size, options.layers, options.has_cell_state)
        case "mean":
            return MeanBridge(options.encoder_width, options.hidden_size, options.layers, options.has_cell_state)
        case "copy":
            return CopyBridge(options.copies_by_direction)
        case "zero":
            return ZeroBridge(options.hidden_size, options.layers, options.has_cell_state)
        case _:
            assert_never(options.bridge)


# -- initial values -----------------------------------------------------------------------------------------------


def _scheme(options: ModelOptions) -> Scheme:
    match options.init:
        case UniformInit(range=bound):
            return uniform(bound)
        case XavierInit():
            return xavier
        case BahdanauInit():
            return bahdanau
        case _:
            assert_never(options.init)


def _forget_bias(options: ModelOptions) -> float | None:
    given = options.cell.forget_bias if isinstance(options.cell, AnyLSTM) else None
    return 1.0 if given is None and isinstance(options.init, XavierInit) else given
