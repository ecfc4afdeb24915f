"""What a translator gives for a line."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nmt.search.types import Hypothesis
from nmt.tokenizer import Tokenizer


@dataclass(frozen=True)
class Translation:
    """One translation of a line.

    Attributes:
        text: the translation, on one line; empty for a blank line.
        score: what the n best are ordered by: the log-probability divided by the length penalty, with the coverage
            penalty if there is one (Wu et al. 2016, equation 14); of those drawn at random, of no account.
        log_prob: natural logarithm of the translation's probability.
        ids: ids of its pieces, without begin and end.
        prepared: the text as the pieces spell it, before the steps of the target's preparation are undone.
        words: those of its line that ids beyond the vocabulary stand for; see `nmt.tokenizer.SourceIds`.
    """

    text: str
    score: float = 0.0
    log_prob: float = 0.0
    ids: tuple[int, ...] = ()
    prepared: str = ""
    words: tuple[str, ...] = ()

    def reading(self, prepared: str, target: Tokenizer) -> "Translation":
        """The same with another text, as it is before the steps of the target's preparation are undone."""
        return replace(self, text=target.preparation.restore(prepared), prepared=prepared)


def spelled(hypotheses: Sequence[Hypothesis], words: tuple[str, ...], target: Tokenizer) -> list[Translation]:
    """What a search has found for a line, as text; `words` are those of the line that have ids of their own."""
    texts = target.spell([hypothesis.tokens for hypothesis in hypotheses], words)
    return [
        Translation("", found.score, found.log_prob, tuple(found.tokens), words=words).reading(text, target)
        for found, text in zip(hypotheses, texts, strict=True)
    ]
