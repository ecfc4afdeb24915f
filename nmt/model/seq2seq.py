"""The network: encoder, bridge, decoder and output layer. It knows nothing of files, recipes or training."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.model.attention import length_mask
from nmt.model.decoder import Bridge, Decoder, DecoderState, Source, unroll
from nmt.model.encoder import Encoder
from nmt.model.fast.decoder import unroll as fast_unroll
from nmt.model.fast.dropout import dropout
from nmt.model.fast.products import goes_fast, linear
from nmt.search.types import ModelStep


@dataclass(frozen=True)
class TranslationState:
    """What the network remembers between two steps: the sources, and the state of each hypothesis."""

    source: Source
    decoder: DecoderState

    def select(self, sentences: Int[Tensor, " kept"], rows: Int[Tensor, " chosen"]) -> "TranslationState":
        """See `nmt.search.types.SearchState`."""
        kept_all = len(sentences) == len(self.source.mask)  # ascending and without repetition, so the same ones
        source = self.source if kept_all else self.source.select(sentences)
        return TranslationState(source, self.decoder.select(rows))


class OutputLayer(nn.Module):
    """From the decoder's output to a logit for each word of the vocabulary.

    With a tied matrix (Press and Wolf 2017) of another width than the output, a linear layer comes between.
    """

    def __init__(self, hidden_size: int, vocab_size: int, tied: nn.Embedding | None) -> None:
        super().__init__()
        self.project: nn.Linear | None = None
        self.words = nn.Linear(hidden_size, vocab_size)
        if tied is not None:
            if tied.embedding_dim != hidden_size:
                self.project = nn.Linear(hidden_size, tied.embedding_dim, bias=False)
            self.words = nn.Linear(tied.embedding_dim, vocab_size)
            self.words.weight = tied.weight

    def forward(self, output: Float[Tensor, "*any hid"]) -> Float[Tensor, "*any vocab"]:
        """The logits."""
        return linear(self.before_words(output), self.words.weight, self.words.bias)

    def before_words(self, output: Float[Tensor, "*any hid"]) -> Float[Tensor, "*any width"]:
        """What is multiplied by the words' matrix."""
        return output if self.project is None else linear(output, self.project.weight)


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
        """Encodes the sources, whose lengths must be at least 1, and prepares the decoder."""
        encoded = self.encoder(self._drop(self.src_embedding(src_ids)), src_lengths)
        memory = self._drop(encoded.memory)
        source = Source(memory, self.decoder.keys(memory), length_mask(src_lengths, src_ids.shape[1]))
        return TranslationState(source, self.decoder.start(*self.bridge(encoded)))

    def step(self, tokens: Int[Tensor, " rows"], state: TranslationState) -> ModelStep[TranslationState]:
        """Reads one target token per hypothesis and predicts the next."""
        embedded = self._drop(self.tgt_embedding(tokens))
        step = self.decoder.step(embedded, state.decoder, state.source)
        logits = self.output(self._drop(step.output))
        log_probs = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=-1)
        return ModelStep(log_probs, TranslationState(state.source, step.state))

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
        state = self.start(src_ids, src_lengths)
        embedded = self._drop(self.tgt_embedding(tgt_in))
        go = fast_unroll if goes_fast(embedded) else unroll
        outputs, weights = go(self.decoder, embedded, state.decoder, state.source)
        return self._drop(outputs), weights
