"""The network: encoder, bridge, decoder and output layer. It knows nothing of files, recipes or training."""

from collections.abc import Iterator
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
from nmt.model.output import OutputLayer, best_of_parts
from nmt.model.pointer import Copies, Pointer, SourceWords
from nmt.model.shortlist import Candidates
from nmt.search.types import Choice, ModelStep


@dataclass(frozen=True)
class TranslationState:
    """What the network remembers between two steps.

    Attributes:
        source: the sources.
        decoder: the state of each hypothesis.
        candidates: the words that may come.
        words: what there is to copy; None without a pointer.
    """

    source: Source
    decoder: DecoderState
    candidates: Candidates
    words: SourceWords | None = None

    def select(self, sentences: Int[Tensor, " kept"], rows: Int[Tensor, " chosen"]) -> "TranslationState":
        """See `nmt.search.types.SearchState`."""
        kept_all = len(sentences) == len(self.source.mask)  # ascending and without repetition, so the same ones
        decoder = self.decoder.select(rows)
        if kept_all:
            return replace(self, decoder=decoder)
        words = None if self.words is None else self.words.select(sentences)
        return TranslationState(self.source.select(sentences), decoder, self.candidates.select(sentences), words)


@dataclass(frozen=True)
class TranslationStep:
    """What reading one target token gives.

    Attributes:
        output: the vectors from which `Seq2Seq.output` predicts the next words.
        weights: attention over the source, None without attention.
        state: the state after the step.
        gates: the logits of p_gen; None without a pointer.
    """

    output: Float[Tensor, "rows hid"]
    weights: Float[Tensor, "rows src"] | None
    state: TranslationState
    gates: Float[Tensor, " rows"] | None = None


@dataclass(frozen=True)
class Predictions:
    """What the network gives for given targets, from which their probability follows.

    Attributes:
        outputs: the vectors from which `Seq2Seq.output` predicts each token, row by row without padding.
        targets: the tokens, with the unknown word in the place of those that are not in the vocabulary.
        copies: what a pointer makes of the probability among the vocabulary; None without one.
        weights: attention of all steps over the source, None without attention.
        gates: the logits of p_gen; None without a pointer.
    """

    outputs: Float[Tensor, "tokens out"]
    targets: Int[Tensor, " tokens"]
    copies: Copies | None
    weights: Float[Tensor, "targets tgt src"] | None
    gates: Float[Tensor, " tokens"] | None = None


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
        pointer: Pointer | None = None,
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
        self.pointer = pointer

    def start(self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]) -> TranslationState:
        """Encodes the sources, whose lengths must be at least 1, and prepares the decoder and the output layer."""
        source, decoder = self._read(src_ids, src_lengths)
        words = None if self.pointer is None else self.pointer.source_words(src_ids, source.mask)
        return TranslationState(source, decoder, self.output.candidates(src_ids, src_lengths), words)

    def _read(
        self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]
    ) -> tuple[Source, DecoderState]:
        encoded = self.encoder(self._embed(self.src_embedding, src_ids), src_lengths)
        encoded = replace(encoded, memory=self.memory_dropout(encoded.memory))
        source = Source(encoded.memory, self.decoder.keys(encoded), length_mask(src_lengths, src_ids.shape[1]))
        return source, self.decoder.start(*self.bridge(encoded, src_lengths), source)

    def _embed(self, embedding: nn.Embedding, ids: Int[Tensor, "*any"]) -> Float[Tensor, "*any emb"]:
        """The vectors of words, with dropout."""
        known = ids if self.pointer is None else self.pointer.known(ids)
        vectors: Tensor = self.embedding_dropout(embedding(known))
        return vectors

    def step(
        self, tokens: Int[Tensor, " rows"], state: TranslationState, choice: Choice
    ) -> ModelStep[TranslationState]:
        """Reads one target token per hypothesis and predicts the next."""
        step = self.advance(tokens, state)
        parts = self.logits(step, choice.sums.shape[1])
        best = best_of_parts(parts, state.candidates.columns(choice))
        return ModelStep(state.candidates.words_of(best), step.state, step.weights)

    def advance(self, tokens: Int[Tensor, " rows"], state: TranslationState) -> TranslationStep:
        """Reads one target token per hypothesis."""
        embedded = self._embed(self.tgt_embedding, tokens)
        step = self.decoder.step(embedded, state.decoder, state.source)
        output = self.output_dropout(step.output)
        gates = None if self.pointer is None else self.pointer(output, embedded)
        return TranslationStep(output, step.weights, replace(state, decoder=step.state), gates)

    def logits(self, step: TranslationStep, width: int) -> Iterator[tuple[slice, Float[Tensor, "some words"]]]:
        """The logits of the words that may come next, of some rows at a time; a pointer's are log-probabilities.

        Args:
            step: what was read.
            width: rows of each sentence.
        """
        parts = self.output.parts(step.output, step.state.candidates, width)
        if self.pointer is None:
            return parts
        assert step.gates is not None
        assert step.weights is not None
        assert step.state.words is not None
        return self.pointer.mixed(parts, step.gates, step.weights, step.state.words, width)

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
        found = self.predictions(src_ids, src_lengths, tgt_in, tgt_out, real, sentences)
        log_probs = self.output.log_probs(found.outputs, found.targets)
        return log_probs if found.copies is None else found.copies.mixed(log_probs)

    def copied(
        self,
        src_ids: Int[Tensor, "batch src"],
        src_lengths: Int[Tensor, " batch"],
        tgt_in: Int[Tensor, "batch tgt"],
        tgt_out: Int[Tensor, "batch tgt"],
        real: Bool[Tensor, "batch tgt"],
    ) -> Float[Tensor, " tokens"] | None:
        """What part of the probability of every real token is copying; None without a pointer. As `log_probs`."""
        found = self.predictions(src_ids, src_lengths, tgt_in, tgt_out, real)
        if found.copies is None:
            return None
        return found.copies.shares(self.output.log_probs(found.outputs, found.targets))

    def predictions(
        self,
        src_ids: Int[Tensor, "batch src"],
        src_lengths: Int[Tensor, " batch"],
        tgt_in: Int[Tensor, "targets tgt"],
        tgt_out: Int[Tensor, "targets tgt"],
        real: Bool[Tensor, "targets tgt"],
        sentences: Int[Tensor, " targets"] | None = None,
    ) -> Predictions:
        """What `log_probs` is made of; the same arguments."""
        outputs, weights, embedded = self._step_through(src_ids, src_lengths, tgt_in, sentences)
        outputs, targets = outputs[real], tgt_out[real]
        if self.pointer is None:
            return Predictions(outputs, targets, None, weights)
        assert weights is not None
        rows = real.nonzero()[:, 0]
        sources = src_ids[rows if sentences is None else sentences[rows]]
        gates = self.pointer(outputs, embedded[real])
        copies = self.pointer.copies(gates, weights[real], sources, targets)
        return Predictions(outputs, self.pointer.known(targets), copies, weights, gates)

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
        outputs, weights, _ = self._step_through(src_ids, src_lengths, tgt_in, sentences)
        return outputs, weights

    def _step_through(
        self,
        src_ids: Int[Tensor, "batch src"],
        src_lengths: Int[Tensor, " batch"],
        tgt_in: Int[Tensor, "targets tgt"],
        sentences: Int[Tensor, " targets"] | None,
    ) -> tuple[
        Float[Tensor, "targets tgt out"], Float[Tensor, "targets tgt src"] | None, Float[Tensor, "targets tgt emb"]
    ]:
        """What `forward` gives, and the vectors of the words that were read."""
        source, state = self._read(src_ids, src_lengths)
        if sentences is not None:
            source, state = source.select(sentences), state.select(sentences)
        embedded = self._embed(self.tgt_embedding, tgt_in)
        # Without gradients the readable steps, which keep nothing for a backward pass.
        learning = torch.is_grad_enabled() and not is_quantised(self)
        go = fast_unroll if learning and goes_fast(embedded) else unroll
        outputs, weights = go(self.decoder, embedded, state, source)
        return self.output_dropout(outputs), weights, embedded
