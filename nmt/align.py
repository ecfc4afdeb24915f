"""Which source word each target word looks at: attention by steps, by pieces and by words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from nmt.links import Link
from nmt.recipe.search import AlignedTo

T = TypeVar("T")

_BYTE = re.compile("<0x[0-9A-F]{2}>")
"""How SentencePiece writes a byte of a letter that it does not know."""


@dataclass(frozen=True)
class Alignment:
    """The attention of one translation, of its pieces or of its words.

    Attributes:
        source: pieces of the source, the end included; or its words.
        target: the piece that each row belongs to, the end included (or the begin, see `by_step`); or the words.
        weights: how much each target piece looked at each source piece; a row of pieces sums to one where the
            attention is a softmax.
        copied: what part of each target piece's probability is copying, from 0 to 1, of a word the mean over the
            letters and digits of its pieces; None of a model that does not copy.
    """

    source: list[str]
    target: list[str]
    weights: Float[Tensor, "tgt src"]
    copied: Float[Tensor, " tgt"] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a line of JSON; `copied` only of a model that copies."""
        weights = [[round(weight, 4) for weight in row] for row in self.weights.tolist()]
        copied = {} if self.copied is None else {"copied": [round(share, 4) for share in self.copied.tolist()]}
        return {"source": self.source, "target": self.target, "weights": weights, **copied}

    def links(self) -> list[Link]:
        """The hard alignment: each target word's one source word, that with the largest weight (the first of equals).

        One-to-one in the sense of Luong et al. 2015, section 5.4. A target word without any weight has no link.
        """
        return [(int(row.argmax()), place) for place, row in enumerate(self.weights) if row.any()]


@dataclass(frozen=True)
class AlignedPair:
    """A source and its translation, aligned by their pieces and by their words between white space."""

    pieces: Alignment
    words: Alignment

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a line of JSON; `links` are those of the words."""
        return {"pieces": self.pieces.as_dict(), "words": self.words.as_dict(), "links": self.words.links()}


def by_step(items: Sequence[T], begin: T, end: T, aligned_to: AlignedTo) -> list[T]:
    """What the attention of each step belongs to, out of something that every target token has.

    A step reads one token and predicts the next, so a target of n tokens takes n + 1 steps, and the attention of a step
    belongs to one of the two: in our models to the predicted one, whose probability it makes. Luong et al. 2015,
    footnote 14, take the one that is read where a score compares states.

    Args:
        items: one for each token of a target, without begin and end.
        begin: the begin token's.
        end: the end token's.
        aligned_to: which of its two tokens a step's attention belongs to.

    Returns:
        One for each step.
    """
    return [*items, end] if aligned_to == "predicted" else [begin, *items]


def to_words(
    alignment: Alignment, source: Sequence[str], target: Sequence[str], columns: Sequence[int], rows: Sequence[int]
) -> Alignment:
    """The alignment of words: summed over the pieces of each source word, averaged over those of each target word.

    The rows are not scaled anew: what the end of the source and other pieces without a word got is nobody's. Copied is
    a word as its letters are, for the full stop after a name that is copied is made.

    Args:
        alignment: of the pieces.
        source: the words of the source.
        target: the words of the target.
        columns: the source word of each column, `len(source)` for none.
        rows: the target word of each row, `len(target)` for none.
    """
    weights = alignment.weights
    sums = weights.new_zeros(len(weights), len(source) + 1).index_add(1, torch.tensor(columns), weights)
    copied = None
    if alignment.copied is not None:
        copied = _means(alignment.copied[:, None], rows, len(target), [_letters(piece) for piece in alignment.target])
    means = _means(sums, rows, len(target), [1.0] * len(weights))
    return Alignment(list(source), list(target), means[:, :-1], None if copied is None else copied[:, 0])


def _letters(piece: str) -> float:
    """Letters and digits; marks and bytes count next to nothing, so that they decide of words of nothing else."""
    return float(sum(map(str.isalnum, _BYTE.sub("", piece)))) or 1e-3


def _means(
    values: Float[Tensor, "pieces any"], rows: Sequence[int], words: int, shares: Sequence[float]
) -> Float[Tensor, "words any"]:
    """The means over the pieces of each word, which count by their shares; zeros of a word without any."""
    places, counted = torch.tensor(rows), values.new_tensor(shares)[:, None]
    totals = values.new_zeros(words + 1, values.shape[1]).index_add(0, places, values * counted)
    counts = values.new_zeros(words + 1, 1).index_add(0, places, counted)
    return (totals / counts.where(counts > 0, 1.0))[:-1]
