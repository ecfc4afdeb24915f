"""What summaries are made of: what is copied, what is new, what is said twice, which names and numbers are right.

Every rate is of the words of all summaries together: a long one counts for more than a short one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nmt.summaries.text import words

_ORDERS = (1, 2, 3, 4)


@dataclass(frozen=True)
class Rates:
    """Shares in percent, of words without regard to case; None where there is nothing to have a share of.

    Attributes:
        novel: n-grams that do not stand in the document, for n from 1 to 4 (See et al. 2017, figure 6).
        coverage: words in a fragment that is copied from the document (extractive fragment coverage of Grusky et al.
            2018). All are that stand in it: this is what the new 1-grams leave.
        density: mean length in words of the copied fragment in which a word stands (their density); no percentage.
        repeated: n-grams that the same summary has had before, for n from 1 to 4 (See et al. 2017, figure 4).
        words: mean number of words of a summary; no percentage.
    """

    novel: list[float | None]
    coverage: float | None
    density: float | None
    repeated: list[float | None]
    words: float

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a result file."""
        return asdict(self)


def rates(summaries: Sequence[str], sources: Sequence[str]) -> Rates:
    """The rates of some summaries, one of each document."""
    texts = [(_lower(summary), _lower(source)) for summary, source in zip(summaries, sources, strict=True)]
    copied = [len(fragment) for summary, source in texts for fragment in fragments(summary, source)]
    total = sum(len(summary) for summary, _ in texts)
    return Rates(
        novel=[_novel(texts, size) for size in _ORDERS],
        coverage=share(sum(copied), total),
        density=sum(length**2 for length in copied) / total if total else None,
        repeated=[_repeated(texts, size) for size in _ORDERS],
        words=total / len(texts),
    )


def share(part: int, whole: int) -> float | None:
    """A share in percent; None of nothing."""
    return 100.0 * part / whole if whole else None


def fragments(summary: Sequence[str], source: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cuts a summary into the longest runs of words that stand in the document in this order, from left to right.

    Words that are not in the document are left out. These are the extractive fragments of Grusky et al. 2018.
    """
    places: dict[str, list[int]] = {}
    for place, word in enumerate(source):
        places.setdefault(word, []).append(place)
    start = 0
    while start < len(summary):
        length = max((_common(summary, start, source, place) for place in places.get(summary[start], ())), default=0)
        if length:
            yield summary[start : start + length]
        start += max(length, 1)


def _common(one: Sequence[str], start: int, other: Sequence[str], place: int) -> int:
    """How many words two texts have alike from a place in each."""
    most = min(len(one) - start, len(other) - place)
    return next((length for length in range(most) if one[start + length] != other[place + length]), most)


def _lower(text: str) -> list[str]:
    return words(text.lower())


def _ngrams(text: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return list(zip(*(text[start:] for start in range(size)), strict=False))


def _novel(texts: Iterable[tuple[list[str], list[str]]], size: int) -> float | None:
    new = total = 0
    for summary, source in texts:
        known, found = set(_ngrams(source, size)), _ngrams(summary, size)
        new += sum(ngram not in known for ngram in found)
        total += len(found)
    return share(new, total)


def _repeated(texts: Iterable[tuple[list[str], list[str]]], size: int) -> float | None:
    again = total = 0
    for summary, _ in texts:
        found = _ngrams(summary, size)
        again += len(found) - len(set(found))
        total += len(found)
    return share(again, total)
