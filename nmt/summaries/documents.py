"""Documents, each with one or several reference summaries."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter


@dataclass(frozen=True)
class Documents:
    """A set to summarize.

    Attributes:
        sources: the documents.
        references: the summaries of each that people have written, at least one.
    """

    sources: list[str]
    references: list[list[str]]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Each document with each of its references."""
        for source, references in zip(self.sources, self.references, strict=True):
            yield from ((source, reference) for reference in references)


def documents(sources: Sequence[str], references: Sequence[str]) -> Documents:
    """Puts pairs that follow each other with one source together: one document with several references."""
    grouped = groupby(zip(sources, references, strict=True), key=itemgetter(0))
    found = [(source, [reference for _, reference in pairs]) for source, pairs in grouped]
    return Documents([source for source, _ in found], [summaries for _, summaries in found])
