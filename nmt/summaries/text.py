"""Sentences, lines and words of summaries and documents, by rules that need no model of a language."""

import re

_SENTENCE_END = re.compile(r"""(?:(?<=[.!?…])|(?<=[.!?…]["'”’»)\]]))\s+|\n""")
_WORD = re.compile(r"\d+(?:[.,:]\d+)+|\w+(?:['’-]\w+)*")


def sentences(text: str) -> list[str]:
    """The sentences of a text; none is blank.

    One ends at each line end, and at a full stop, exclamation or question mark or ellipsis, with a quotation mark or
    bracket closed there if there is one, before white space. An abbreviation ends a sentence, too.
    """
    return _stripped(_SENTENCE_END.split(text))


def lines(text: str) -> list[str]:
    """The lines of a text that are not blank: of a dialogue, its utterances."""
    return _stripped(text.split("\n"))


def _stripped(parts: list[str]) -> list[str]:
    return [part.strip() for part in parts if part.strip()]


def words(text: str) -> list[str]:
    """The words of a text, as they are written: runs of letters, digits and underscores.

    Apostrophes and hyphens within a word belong to it, as do points, commas and colons between digits.
    """
    return _WORD.findall(text)
