"""The recipe's `tokenizer`."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from nmt.recipe.section import Positive, Problem, Section


class TokenizerOptions(Section):
    """What text is cut into, and what is done to it before; models trained from a specification can be shared."""

    type: Literal["unigram", "bpe", "char", "word"] = "unigram"
    """Kind of SentencePiece model; word: the most frequent words between white space, each other one unknown."""
    vocab_size: Annotated[int, Field(ge=8)] = 8000
    """Number of pieces, the four special ones and the 256 bytes included; for characters and words the most there
    are."""
    min_frequency: Positive | None = None
    """Only words that occur at least so often in the training text (type word). null: however rare."""
    joint: bool = True
    """One model for both languages (true) or one for each (false)."""
    character_coverage: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Share of the characters of the text that get a piece of their own."""
    byte_fallback: bool = True
    """Spell an unknown character in bytes, so that no text is lost (unigram and bpe)."""
    lowercase: bool = False
    """Lower-case the text before anything else; translations are lower-case, too."""
    normalize_punctuation: bool = False
    """One form for each mark, as Moses' normalize-punctuation.perl (by sacremoses)."""
    moses: bool = False
    """Set marks apart from words as Moses' tokenizer.perl (by sacremoses), and put translations together again. Not for
    text that is tokenized already."""
    protected: str | None = None
    """A regular expression: what it finds, whatever the case, Moses' rules leave whole, as tokenizer.perl -protected.
    `#\\w+#` keeps the `#Person1#` of a dialogue one word."""
    line_separator: Annotated[str, Field(pattern=r"^[^\s\u2581]+$")] | None = None
    """What takes the place of the ends of lines within a source, as between the utterances of a dialogue, `<eou>`: a
    piece of its own, to which nothing else is done. A source may hold it as it is. null: line ends are white space."""

    @property
    def needs_languages(self) -> bool:
        """Whether some of it differs from language to language."""
        return self.moses or self.normalize_punctuation

    def problems(self) -> Iterator[Problem]:
        """See `Section`."""
        if self.min_frequency is not None and self.type != "word":
            yield "min_frequency", "needs type: word"
        if self.protected is not None:
            if not self.moses:
                yield "protected", "needs moses: true"
            if wrong := _no_pattern(self.protected):
                yield "protected", wrong
        if self.line_separator in ("<pad>", "<unk>", "<s>", "</s>"):
            yield "line_separator", "must be none of the special pieces <pad>, <unk>, <s> and </s>"


def _no_pattern(text: str) -> str:
    """What is wrong with a regular expression that has to find something; nothing if it is right."""
    try:
        empty = re.search(text, "") is not None
    except re.error as error:
        return f"is no regular expression: {error}"
    return "finds what is empty, too" if empty else ""
