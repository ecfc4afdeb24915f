"""The pointer-generator: words are made from the vocabulary, or copied from the source (See et al. 2017, section 2.2).

A word of the source that the vocabulary has not can be copied all the same: with V words in the vocabulary V + k is the
k-th such word of a source, on both sides. Only what reads a word has no vector of its own for it.

Our sources end with an end token, which is no word and cannot be copied; See's have none. To look there is to make a
word, as it is with the sentinel of Merity et al. 2017. So probabilities sum to one wherever a step looks, without a
division by what is left, and with a source that holds no word at all.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, pad

from nmt.model.attention import at_least_float32
from nmt.model.fast.layers import Linear


@dataclass(frozen=True)
class Copies:
    """What makes the probability of given words of that among the vocabulary: P(w) = made P_vocab(w) + copied(w).

    Attributes:
        made: log of the share that is made; -inf for a word that is not in the vocabulary.
        copied: log of what copying the word adds; -inf for one that the source does not hold.
    """

    made: Float[Tensor, " tokens"]
    copied: Float[Tensor, " tokens"]

    def mixed(self, log_probs: Float[Tensor, " tokens"]) -> Float[Tensor, " tokens"]:
        """Log P of the words from log P_vocab, which may be anything for a word that is not in the vocabulary."""
        return torch.logaddexp(self.made + log_probs, self.copied)

    def shares(self, log_probs: Float[Tensor, " tokens"]) -> Float[Tensor, " tokens"]:
        """What part of P of the words is copying, from log P_vocab."""
        return (self.copied - self.mixed(log_probs)).exp()


@dataclass(frozen=True)
class SourceWords:
    """What there is to copy in the sources of a batch.

    Attributes:
        ids: the words; for the end and in the padding any of the vocabulary.
        real: True for words, False for the end and the padding.
        first: the first place of the source that holds the same word.
        size: one more than the largest id that any of the sources could hold.
    """

    ids: Int[Tensor, "batch src"]
    real: Bool[Tensor, "batch src"]
    first: Int[Tensor, "batch src"]
    size: int

    def select(self, sentences: Int[Tensor, " kept"]) -> "SourceWords":
        """The given sentences only, in the given order."""
        return SourceWords(self.ids[sentences], self.real[sentences], self.first[sentences], self.size)

    def of_rows(self, rows: slice, width: int) -> "SourceWords":
        """Those of the sentences of some rows, of which each sentence has `width`: one for each row."""
        sentences = slice(rows.start // width, rows.stop // width)
        ids, real, first = (each[sentences].repeat_interleave(width, 0) for each in (self.ids, self.real, self.first))
        return SourceWords(ids, real, first, self.size)


class Pointer(nn.Module):
    """P(w) = (p_gen + (1 - p_gen) a_end) P_vocab(w) + (1 - p_gen) sum of a_i over the places i that hold w.

    That is equation 9 where a_end, the attention to the source's end, is 0. p_gen = sigmoid(w' [o_t; x_t] + b) of what
    predicts the words and the vector of the word before. With `nmt.model.decoder.SeeDecoder`, whose o_t is
    [s_t; h*_t], it is equation 8.
    """

    def __init__(self, output_size: int, embedding_size: int, vocab_size: int, unknown: int, end: int) -> None:
        """Makes the layer.

        Args:
            output_size: width of the decoder's output.
            embedding_size: of the target words.
            vocab_size: number of words, the same for both sides.
            unknown: the word whose vectors are read in the place of words that are not in the vocabulary.
            end: the token that ends a source.
        """
        super().__init__()
        self.gate = Linear(output_size + embedding_size, 1)
        self.vocab_size = vocab_size
        self.unknown = unknown
        self.end = end

    def known(self, ids: Int[Tensor, "*any"]) -> Int[Tensor, "*any"]:
        """The ids with the unknown word in the place of those that are not in the vocabulary."""
        return ids.masked_fill(ids >= self.vocab_size, self.unknown)

    def forward(self, output: Float[Tensor, "*any out"], embedded: Float[Tensor, "*any emb"]) -> Float[Tensor, "*any"]:
        """The logit of p_gen, at least in float32."""
        gate: Tensor = self.gate(torch.cat([output, embedded], dim=-1))[..., 0]
        return gate.to(at_least_float32(gate))

    # -- given words ----------------------------------------------------------------------------------------------

    def copies(
        self,
        gates: Float[Tensor, " tokens"],
        weights: Float[Tensor, "tokens src"],
        src_ids: Int[Tensor, "tokens src"],
        targets: Int[Tensor, " tokens"],
    ) -> Copies:
        """What becomes of the probability of given words.

        Args:
            gates: the logits of p_gen.
            weights: the attention; 0 in the padding.
            src_ids: the source of each word.
            targets: the words.
        """
        at_end = src_ids == self.end
        attention = (weights * ((src_ids == targets[:, None]) & ~at_end)).sum(dim=1)
        beyond = targets >= self.vocab_size
        made = _log_made(gates, weights, at_end).masked_fill(beyond, -torch.inf)
        return Copies(made, logsigmoid(-gates) + _log(attention, beyond))

    # -- search ---------------------------------------------------------------------------------------------------

    def source_words(self, src_ids: Int[Tensor, "batch src"], mask: Bool[Tensor, "batch src"]) -> SourceWords:
        """What there is to copy; `mask` is False in the padding."""
        real = mask & (src_ids != self.end)
        ids = src_ids.masked_fill(~real, self.unknown)
        first = (ids[:, :, None] == ids[:, None, :]).byte().argmax(dim=2)
        return SourceWords(ids, real, first, max(self.vocab_size, int(ids.max()) + 1))

    def mixed(
        self,
        parts: Iterator[tuple[slice, Float[Tensor, "some vocab"]]],
        gates: Float[Tensor, " rows"],
        weights: Float[Tensor, "rows src"],
        words: SourceWords,
        width: int,
    ) -> Iterator[tuple[slice, Float[Tensor, "some words"]]]:
        """The log-probabilities of all words that may be made or copied, some rows at a time, from the logits of these.

        Args:
            parts: rows, and their logits.
            gates: the logits of p_gen of all rows.
            weights: their attention.
            words: what there is to copy in each sentence.
            width: rows of each sentence.
        """
        for rows, logits in parts:
            some, own, gate = words.of_rows(rows, width), weights[rows], gates[rows]
            log_probs = logits.to(at_least_float32(logits)).log_softmax(dim=1)
            made = log_probs + _log_made(gate, own, ~some.real)[:, None]
            yield rows, self._add_copied(made, gate, own * some.real, some)

    def _add_copied(
        self,
        made: Float[Tensor, "rows vocab"],
        gates: Float[Tensor, " rows"],
        weights: Float[Tensor, "rows src"],
        words: SourceWords,
    ) -> Float[Tensor, "rows words"]:
        """Log P of every word from that of making it; only the columns of words that a source holds are changed.

        The weights are those of the words, 0 elsewhere.
        """
        log_probs = pad(made, (0, words.size - made.shape[1]), value=-torch.inf)
        # The attention to all places with the same word, at the first of them; then the sum at each of these places.
        attention = torch.zeros_like(weights).scatter_add_(1, words.first, weights).gather(1, words.first)
        copied = logsigmoid(-gates)[:, None] + _log(attention, words.ids >= self.vocab_size)
        mixed = torch.logaddexp(log_probs.gather(1, words.ids), copied.to(log_probs.dtype))
        return log_probs.scatter_(1, words.ids, mixed)  # equal places get equal numbers


def _log_made(
    gates: Float[Tensor, " rows"], weights: Float[Tensor, "rows src"], elsewhere: Bool[Tensor, "rows src"]
) -> Float[Tensor, " rows"]:
    """The log of the share that is made: p_gen, and of the rest what looks at no word; there may also be padding."""
    unread = (weights * elsewhere).sum(dim=1)
    return torch.logaddexp(logsigmoid(gates), logsigmoid(-gates) + _log(unread, torch.zeros_like(unread).bool()))


def _log(attention: Float[Tensor, "*any"], beyond: Bool[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """The logarithm of the attention to a word, whose gradient is finite.

    What is smaller than the smallest normal number is nothing: the word is made, then, if it is in the vocabulary.
    Where it is beyond, and could not be made, it has that number's logarithm, so that no loss is infinite.
    """
    smallest = torch.finfo(attention.dtype).tiny
    log = attention.clamp(min=smallest).log()
    return log.masked_fill((attention < smallest) & ~beyond, -math.inf)
