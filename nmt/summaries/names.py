"""Names and numbers in summaries, found by their letters alone: which are the document's, and which are missing.

A number is a word with a digit. A name is a word with a capital letter that begins no sentence and nothing that is
said, after a colon or a quotation mark; or one that does, if no text of the set ever writes it with a small letter. A
single letter is neither, and an apostrophe and what follows it (Ann's, I'm) is left out. They are compared without
regard to case, and each counts once in a summary.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nmt.summaries.documents import Documents
from nmt.summaries.rates import share
from nmt.summaries.text import sentences, words

_APOSTROPHE = re.compile("['’]")
_SAID = re.compile(r':\s|["“”„«»]')


@dataclass(frozen=True)
class Names:
    """What summaries have of names and numbers, all of them together.

    Attributes:
        each: mean number in a summary.
        right: share that stands in the document, in percent; the others are made up. None if there are none.
        recall: share of those of the references that the summary has, in percent; None if there are none.
    """

    each: float
    right: float | None
    recall: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a result file."""
        return asdict(self)


class NameFinder:
    """Finds names and numbers in the texts of a set."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Remembers the words that the texts write with a small letter."""
        self._small = {word for text in texts for word in _stems(text) if word[:1].islower()}

    def find(self, text: str) -> set[str]:
        """The names and numbers of a text, in lower case."""
        return {
            word.lower()
            for sentence in sentences(text)
            for part in _SAID.split(sentence)
            for place, word in enumerate(_stems(part))
            if _has_digit(word) or (_has_capital(word) and (place > 0 or word.lower() not in self._small))
        }


def names(summaries: Sequence[str], documents: Documents, finder: NameFinder) -> Names:
    """Counts the names and numbers of some summaries, one of each document; of several references, those of each."""
    right = given = found = wanted = 0
    for summary, source, references in zip(summaries, documents.sources, documents.references, strict=True):
        own = finder.find(summary)
        right += len(own & _known(source))
        given += len(own)
        for reference in map(finder.find, references):
            found += len(reference & _known(summary))
            wanted += len(reference)
    return Names(given / len(summaries), share(right, given), share(found, wanted))


def _known(text: str) -> set[str]:
    return {word.lower() for word in _stems(text)}


def _stems(text: str) -> list[str]:
    """The words of a text, without what follows an apostrophe."""
    return [_APOSTROPHE.split(word)[0] for word in words(text)]


def _has_digit(word: str) -> bool:
    return any(letter.isdigit() for letter in word)


def _has_capital(word: str) -> bool:
    return len(word) > 1 and any(letter.isupper() for letter in word)
