"""The network: encoder, bridge, decoder and output layer. It knows nothing of files, recipes or training."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.model.attention import Source
from nmt.model.decoder import Bridge, Decoder, DecoderState, unroll
from nmt.model.dropout import Dropout
from nmt.model.encoder import Encoder
from nmt.model.fast.decoder import unroll as fast_unroll
from nmt.model.fast.products import goes_fast
from nmt.model.int8 import is_quantised
from nmt.model.mask import length_mask
from nmt.model.output import OutputLayer
from nmt.model.shortlist import Candidates
from nmt.search.types import Choice, ModelStep


@dataclass(frozen=True)
class TranslationState:
    """What the network remembers between two steps.

    Attributes:
        source: the sources.
        decoder: the state of each hypothesis.
        candidates: the words that may come.
    """

    source: Source
    decoder: DecoderState
    candidates: Candidates

    def select(self, sentences: Int[Tensor, " kept"], rows: Int[Tensor, " chosen"]) -> "TranslationState":
        """See `nmt.search.types.SearchState`."""
        kept_all = len(sentences) == len(self.source.mask)  # ascending and without repetition, so the same ones
        decoder = self.decoder.select(rows)
        if kept_all:
            return TranslationState(self.source, decoder, self.candidates)
        return TranslationState(self.source.select(sentences), decoder, self.candidates.select(sentences))


@dataclass(frozen=True)
class TranslationStep:
    """What reading one target token gives.

    Attributes:
        output: the vectors from which `Seq2Seq.output` predicts the next words.
        weights: attention over the source, None without attention.
        state: the state after the step.
    """

    output: Float[Tensor, "rows hid"]
    weights: Float[Tensor, "rows src"] | None
    state: TranslationState


class Seq2Seq(nn.Module):
    """Recurrent network with attention from source ids to target words; in search, a `nmt.search.types.StepModel`."""

    def __init__(
        self,
        src_embedding: nn.Embedding,
        tgt_embedding: nn.Embedding,
        encoder: Encoder,
        bridge: Bridge,
        decoder: Decoder,
        output: OutputLayer,
        embedding_dropout: Dropout,
        memory_dropout: Dropout,
        output_dropout: Dropout,
    ) -> None:
        super().__init__()
        self.src_embedding = src_embedding
        self.tgt_embedding = tgt_embedding
        self.encoder = encoder
        self.bridge = bridge
        self.decoder = decoder
        self.output = output
        self.embedding_dropout = embedding_dropout
        self.memory_dropout = memory_dropout
        self.output_dropout = output_dropout

    def start(self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]) -> TranslationState:
        """Encodes the sources, whose lengths must be at least 1, and prepares the decoder and the output layer."""
        source, decoder = self._read(src_ids, src_lengths)
        return TranslationState(source, decoder, self.output.candidates(src_ids, src_lengths))

    def _read(
        self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]
    ) -> tuple[Source, DecoderState]:
        encoded = self.encoder(self.embedding_dropout(self.src_embedding(src_ids)), src_lengths)
        encoded = replace(encoded, memory=self.memory_dropout(encoded.memory))
        source = Source(encoded.memory, self.decoder.keys(encoded), length_mask(src_lengths, src_ids.shape[1]))
        return source, self.decoder.start(*self.bridge(encoded, src_lengths), source)

    def step(
        self, tokens: Int[Tensor, " rows"], state: TranslationState, choice: Choice
    ) -> ModelStep[TranslationState]:
        """Reads one target token per hypothesis and predicts the next."""
        step = self.advance(tokens, state)
        return ModelStep(self.output.best(step.output, state.candidates, choice), step.state, step.weights)

    def advance(self, tokens: Int[Tensor, " rows"], state: TranslationState) -> TranslationStep:
        """Reads one target token per hypothesis."""
        embedded = self.embedding_dropout(self.tgt_embedding(tokens))
        step = self.decoder.step(embedded, state.decoder, state.source)
        after = TranslationState(state.source, step.state, state.candidates)
        return TranslationStep(self.output_dropout(step.output), step.weights, after)

    @property
    def predicts_all_words(self) -> bool:
        """Whether every word of the vocabulary may come in any translation."""
        return self.output.shortlist is None

    def log_probs(
        self,
        src_ids: Int[Tensor, "batch src"],
        src_lengths: Int[Tensor, " batch"],
        tgt_in: Int[Tensor, "targets tgt"],
        tgt_out: Int[Tensor, "targets tgt"],
        real: Bool[Tensor, "targets tgt"],
        sentences: Int[Tensor, " targets"] | None = None,
    ) -> Float[Tensor, " tokens"]:
        """The log-probability of every real token of given targets, row by row, among all of the vocabulary.

        Args:
            src_ids: right-padded source ids.
            src_lengths: their lengths, the end included.
            tgt_in: target ids, begun with the begin token.
            tgt_out: the same, ended with the end token.
            real: True where these are no padding.
            sentences: the source of each target; None for one target for each source, in order.
        """
        outputs, _ = self(src_ids, src_lengths, tgt_in, sentences)
        return self.output.log_probs(outputs[real], tgt_out[real])

    def weights(
        self,
        src_ids: Int[Tensor, "batch src"],
        src_lengths: Int[Tensor, " batch"],
        tgt_in: Int[Tensor, "batch tgt"],
    ) -> Float[Tensor, "batch tgt src"] | None:
        """The attention of every step through given targets; None without attention."""
        weights: Tensor | None = self(src_ids, src_lengths, tgt_in)[1]
        return weights

    def forward(
        self,
        src_ids: Int[Tensor, "batch src"],
        src_lengths: Int[Tensor, " batch"],
        tgt_in: Int[Tensor, "targets tgt"],
        sentences: Int[Tensor, " targets"] | None = None,
    ) -> tuple[Float[Tensor, "targets tgt out"], Float[Tensor, "targets tgt src"] | None]:
        """Steps through whole targets at once. Each source is read once, however many targets it has.

        Args:
            src_ids: right-padded source ids.
            src_lengths: their lengths, the end included.
            tgt_in: target ids, begun with the begin token.
            sentences: the source of each target; None for one target for each source, in order.

        Returns:
            The vectors from which `output` predicts the words (so that padding need not be predicted), and the
            attention weights of each step, None without attention.
        """
        source, state = self._read(src_ids, src_lengths)
        if sentences is not None:
            source, state = source.select(sentences), state.select(sentences)
        embedded = self.embedding_dropout(self.tgt_embedding(tgt_in))
        # Without gradients the readable steps, which keep nothing for a backward pass.
        learning = torch.is_grad_enabled() and not is_quantised(self)
        go = fast_unroll if learning and goes_fast(embedded) else unroll
        outputs, weights = go(self.decoder, embedded, state, source)
        return self.output_dropout(outputs), weights
