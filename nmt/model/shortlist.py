"""Lexical shortlists: the words that may come in a translation, chosen by the words of its source.

Nearly all of the output layer is then left out: Mi et al. 2016 (Vocabulary Manipulation for Neural Machine
Translation) and Jean et al. 2015, section 3.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.model.fast.layers import Linear
from nmt.model.int8 import Int8Linear
from nmt.model.mask import length_mask
from nmt.search.types import Bias, Choice, Continuations


@dataclass(frozen=True)
class Candidates:
    """The words that may come in the translations of a batch.

    Attributes:
        layer: the output layer's rows of these words.
        words: those of any sentence, ascending; None for the whole vocabulary.
        places: the place of each of them in `words`.
        penalty: what is added to the logits: -inf for those of `words` that are not the sentence's own, else 0.
    """

    layer: Linear | Int8Linear
    words: Int[Tensor, " words"] | None = None
    places: Mapping[int, int] | None = None
    penalty: Float[Tensor, "batch words"] | None = None

    def columns(self, choice: Choice) -> Choice:
        """The same choice with places in `words` for its tokens.

        Raises:
            ValueError: if a token is forced that is not among the words.
        """
        if self.places is None or self.words is None:
            return choice
        forced = None if choice.forced is None else _forced(choice.forced, self.words)
        banned = tuple(self.places[token] for token in choice.banned if token in self.places)
        bias = tuple(_biased(bias, self.words) for bias in choice.bias)
        return replace(choice, eos=self.places[choice.eos], banned=banned, forced=forced, bias=bias)

    def words_of(self, best: Continuations) -> Continuations:
        """The same continuations with words for the places in `words` that their tokens are."""
        return best if self.words is None else replace(best, tokens=self.words[best.tokens])

    def select(self, sentences: Int[Tensor, " kept"]) -> "Candidates":
        """For the given sentences only, in the given order."""
        return self if self.penalty is None else replace(self, penalty=self.penalty[sentences])


def _biased(bias: Bias, words: Int[Tensor, " words"]) -> Bias:
    """The same with places in `words` for its tokens, without those that are not there."""
    columns, known = _columns(bias.tokens, words)
    return replace(bias, tokens=columns).only(known)


def _forced(tokens: Int[Tensor, " batch"], words: Int[Tensor, " words"]) -> Int[Tensor, " batch"]:
    """Places in `words`; -1 stays."""
    columns, known = _columns(tokens, words)
    if not (known | (tokens < 0)).all():
        raise ValueError("a shortlist need not hold the words that are forced")
    return torch.where(tokens < 0, tokens, columns)


def _columns(tokens: Int[Tensor, " n"], words: Int[Tensor, " words"]) -> tuple[Int[Tensor, " n"], Bool[Tensor, " n"]]:
    """The places of tokens in `words`, and which of them are there."""
    columns = torch.searchsorted(words, tokens).clamp(max=len(words) - 1)
    return columns, words[columns] == tokens


class Shortlist(nn.Module):
    """Candidates for each source word, and some for all sentences."""

    by_word: Tensor
    always: Tensor

    def __init__(self, by_word: Int[Tensor, "src_vocab n"], always: Int[Tensor, " always"], size: int) -> None:
        """Takes the candidates as they are.

        Args:
            by_word: target words that often translate each source word; -1 where there are fewer.
            always: target words that may always come: those that follow no source word, and the end.
            size: of the target vocabulary.
        """
        super().__init__()
        self.register_buffer("by_word", by_word)
        self.register_buffer("always", always)
        self.size = size

    def forward(
        self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]
    ) -> tuple[Int[Tensor, " words"], Float[Tensor, "batch words"]]:
        """`words` and `penalty` of `Candidates` for a batch."""
        batch, length = src_ids.shape
        found = self.by_word[src_ids].long() + 1  # column 0 of `marks` stands for no word
        found = found * length_mask(src_lengths, length)[:, :, None]
        marks = torch.zeros(batch, self.size + 1, dtype=torch.bool, device=src_ids.device)
        marks.scatter_(1, found.flatten(1), True)
        marks = marks[:, 1:]
        marks[:, self.always.long()] = True
        words = marks.any(dim=0).nonzero()[:, 0]
        penalty = torch.zeros(batch, len(words), device=src_ids.device)
        return words, penalty.masked_fill_(~marks[:, words], -torch.inf)
