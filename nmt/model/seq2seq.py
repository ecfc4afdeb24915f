"""The network: encoder, bridge, decoder and output layer. It knows nothing of files, recipes or training."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.model.decoder import Bridge, Decoder, DecoderState, Source, unroll
from nmt.model.encoder import Encoder
from nmt.model.fast.decoder import unroll as fast_unroll
from nmt.model.fast.dropout import dropout
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


class Seq2Seq(nn.Module):
    """Attention LSTM from source ids to target words; in search, a `nmt.search.types.StepModel`."""

    def __init__(
        self,
        src_embedding: nn.Embedding,
        tgt_embedding: nn.Embedding,
        encoder: Encoder,
        bridge: Bridge,
        decoder: Decoder,
        output: OutputLayer,
        dropout_probability: float,
    ) -> None:
        super().__init__()
        self.src_embedding = src_embedding
        self.tgt_embedding = tgt_embedding
        self.encoder = encoder
        self.bridge = bridge
        self.decoder = decoder
        self.output = output
        self.dropout_probability = dropout_probability

    def _drop(self, values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        return dropout(values, self.dropout_probability, self.training)

    def start(self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]) -> TranslationState:
        """Encodes the sources, whose lengths must be at least 1, and prepares the decoder and the output layer."""
        source, decoder = self._read(src_ids, src_lengths)
        return TranslationState(source, decoder, self.output.candidates(src_ids, src_lengths))

    def _read(
        self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]
    ) -> tuple[Source, DecoderState]:
        encoded = self.encoder(self._drop(self.src_embedding(src_ids)), src_lengths)
        memory = self._drop(encoded.memory)
        source = Source(memory, self.decoder.keys(memory), length_mask(src_lengths, src_ids.shape[1]))
        return source, self.decoder.start(*self.bridge(encoded))

    def step(
        self, tokens: Int[Tensor, " rows"], state: TranslationState, choice: Choice
    ) -> ModelStep[TranslationState]:
        """Reads one target token per hypothesis and predicts the next."""
        embedded = self._drop(self.tgt_embedding(tokens))
        step = self.decoder.step(embedded, state.decoder, state.source)
        best = self.output.best(self._drop(step.output), state.candidates, choice)
        return ModelStep(best, TranslationState(state.source, step.state, state.candidates))

    def forward(
        self,
        src_ids: Int[Tensor, "batch src"],
        src_lengths: Int[Tensor, " batch"],
        tgt_in: Int[Tensor, "batch tgt"],
    ) -> tuple[Float[Tensor, "batch tgt hid"], Float[Tensor, "batch tgt src"] | None]:
        """Steps through whole targets at once.

        Args:
            src_ids: right-padded source ids.
            src_lengths: their lengths, the end included.
            tgt_in: target ids, begun with the begin token.

        Returns:
            The vectors from which `output` predicts the words (so that padding need not be predicted), and the
            attention weights of each step, None without attention.
        """
        source, state = self._read(src_ids, src_lengths)
        embedded = self._drop(self.tgt_embedding(tgt_in))
        # Without gradients the readable steps, which keep nothing for a backward pass.
        learning = torch.is_grad_enabled() and not is_quantised(self)
        go = fast_unroll if learning and goes_fast(embedded) else unroll
        outputs, weights = go(self.decoder, embedded, state, source)
        return self._drop(outputs), weights
