"""What a translator gives for a line."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from nmt.search.types import Hypothesis
from nmt.tokenizer import SourceIds, Tokenizer


@dataclass(frozen=True)
class Translation:
    """One translation of a line.

    Attributes:
        text: the translation, on one line; empty for a blank line.
        score: what the n best are ordered by: the log-probability divided by the length penalty (Wu et al. 2016,
            equation 14), less the coverage penalty if there is one; of those drawn at random, of no account.
        log_prob: natural logarithm of the translation's probability.
        ids: ids of its pieces, without begin and end.
        prepared: the text as the pieces spell it, before the steps of the target's preparation are undone.
        words: those of its line that ids beyond the vocabulary stand for; see `nmt.tokenizer.SourceIds`.
        unread: pieces of its line that were cut off, for the model reads no more.
    """

    text: str
    score: float = 0.0
    log_prob: float = 0.0
    ids: tuple[int, ...] = ()
    prepared: str = ""
    words: tuple[str, ...] = ()
    unread: int = 0

    def reading(self, prepared: str, target: Tokenizer) -> "Translation":
        """The same with another text, as it is before the steps of the target's preparation are undone."""
        return replace(self, text=target.preparation.restore(prepared), prepared=prepared)


def spelled(hypotheses: Sequence[Hypothesis], source: SourceIds, target: Tokenizer) -> list[Translation]:
    """What a search has found for a line, as text."""
    texts = target.spell([hypothesis.tokens for hypothesis in hypotheses], source.words)
    of_line: dict[str, Any] = {"words": source.words, "unread": source.unread}
    return [
        Translation("", found.score, found.log_prob, tuple(found.tokens), **of_line).reading(text, target)
        for found, text in zip(hypotheses, texts, strict=True)
    ]
