"""What a report consists of, before it becomes HTML or Markdown."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

NOTHING = "–"
"""What a table shows where there is no value."""

_HARMFUL = ("Cc", "Cs", "Cn")
_DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
_NUMBER = re.compile(rf"[\d.,()±+\-−%\s]*\d[\d.,()±%\s]*|{NOTHING}|")


@dataclass(frozen=True)
class Marked:
    """A text of which some parts stand out: pairs of a part and whether it does."""

    parts: tuple[tuple[str, bool], ...]


Cell = str | Marked


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row names it.

    Attributes:
        caption: what it shows.
        header: names of the columns.
        rows: as many cells each.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers only."""
        columns = zip(*self.rows, strict=True)
        return [all(isinstance(cell, str) and _NUMBER.fullmatch(cell) for cell in column) for column in columns]


@dataclass(frozen=True)
class Figure:
    """A drawing, complete with its text for those who cannot see it."""

    caption: str
    svg: Markup


@dataclass(frozen=True)
class Strip:
    """Drawings that are looked at side by side, under a common caption if there is something to say of them all."""

    figures: Sequence[Figure]
    caption: str = ""


@dataclass(frozen=True)
class Passage:
    """A source and what was written of it.

    Attributes:
        caption: whose it is.
        source: its words.
        written: the words written.
        copied: what part of the probability of each of these is copying.
        weights: how much each of these looked at each word of the source.
    """

    caption: str
    source: Sequence[str]
    written: Sequence[str]
    copied: Sequence[float]
    weights: Sequence[Sequence[float]]

    @property
    def were_copied(self) -> list[bool]:
        """Of which words more was copied than made."""
        return [share > 0.5 for share in self.copied]

    @property
    def looked_at(self) -> list[float]:
        """How much each word of the source was looked at by all that were written, 1 at the most."""
        columns = zip(*self.weights, strict=True) if self.weights else [()] * len(self.source)
        return [min(sum(column, start=0.0), 1.0) for column in columns]


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title: its heading.
        text: paragraphs: how to read what follows, or why there is nothing.
        legend: which line is which run, for all its drawings.
        strips: the drawings.
        tables: the numbers.
        passages: sources and what was written of them.
    """

    title: str
    text: Sequence[str] = ()
    legend: Markup = field(default_factory=Markup)
    strips: Sequence[Strip] = ()
    tables: Sequence[Table] = ()
    passages: Sequence[Passage] = ()


@dataclass(frozen=True)
class Chapter:
    """All that is said of one test set."""

    title: str
    text: Sequence[str]
    sections: Sequence[Section]


def printable(text: str) -> str:
    """A text of the data with U+FFFD in the place of each character that no page can hold, or that would turn it round.

    Those are control characters, surrogates, what is no character, and the marks that embed, override or isolate a
    direction. Spaces of all kinds, joiners and soft hyphens stay.
    """
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_harmful(character) else character for character in text)


def _is_harmful(character: str) -> bool:
    return unicodedata.category(character) in _HARMFUL or unicodedata.bidirectional(character) in _DIRECTIONS
