"""What may be asked of the translation of a single line."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch

from nmt.errors import UserError
from nmt.search.constrained import Progress
from nmt.search.types import SearchSettings
from nmt.tokenizer import UNK, SourceIds, Tokenizer


@dataclass(frozen=True)
class Guide:
    """What the translation of a line must hold; of a blank line, which stays blank, it is not asked.

    Attributes:
        prefix: it begins with this text, which is tokenized by itself; its probability counts.
        phrases: these occur in it, each tokenized by itself.
    """

    prefix: str = ""
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line to translate, in ids.

    Attributes:
        number: its place among the lines.
        source: its pieces; none of a blank line.
        words: those of it that have ids of their own.
        prefix: the first pieces of its translation.
        phrases: the pieces of what must occur in it.
    """

    number: int
    source: list[int]
    words: tuple[str, ...]
    prefix: list[int]
    phrases: list[list[int]]


def guided_lines(
    sources: Sequence[SourceIds], guides: Sequence[Guide] | None, target: Tokenizer, settings: SearchSettings
) -> list[Line]:
    """The lines with what their translations must hold.

    Args:
        sources: pieces of each line.
        guides: one for each line; None if nothing is asked.
        target: the translations' tokenizer.
        settings: how they are searched.

    Raises:
        UserError: if there is not one guide for each line, or no translation could follow one.
    """
    if guides is None:
        return [Line(number, source.ids, source.words, [], []) for number, source in enumerate(sources)]
    if len(guides) != len(sources):
        given = f"prefixes or phrases for {len(guides)}"
        raise UserError(f"{len(sources)} lines to translate, but {given}; there must be a line of them for each")
    words = [source.words for source in sources]
    prefixes = target.encode([guide.prefix.strip() for guide in guides], words)
    phrases = [_phrases(guide, own, target) for guide, own in zip(guides, words, strict=True)]
    if any(prefixes) and any(phrases):
        raise UserError("prefixes and phrases cannot be had together; give one of them")
    if any(phrases) and (settings.processors or settings.diversity_groups > 1):
        raise UserError("phrases that must occur cannot be had with search.block_ngrams or diversity_groups")
    if any(phrases) and settings.coverage_penalty and settings.coverage_penalty_type == "summary":
        raise UserError("phrases that must occur cannot be had with search.coverage_penalty_type: summary")
    asked = enumerate(zip(sources, prefixes, phrases, strict=True))
    lines = [Line(number, source.ids, source.words, prefix, some) for number, (source, prefix, some) in asked]
    limits = settings.max_length(torch.tensor([len(source.ids) + 1 for source in sources]))
    for line, guide, most in zip(lines, guides, limits.tolist(), strict=True):
        if line.source:
            _check(line, guide, target, most, settings.banned)
    return lines


def _phrases(guide: Guide, words: tuple[str, ...], target: Tokenizer) -> list[list[int]]:
    """The pieces of the phrases of a line with these words of its own."""
    phrases = [one for phrase in guide.phrases if (one := phrase.strip())]
    return target.encode(phrases, [words] * len(phrases))


def _check(line: Line, guide: Guide, target: Tokenizer, most: int, banned: Sequence[int]) -> None:
    """Refuses what a translation of `most` pieces has no room for, and words that no translation may have."""
    asked = f"prefix {guide.prefix[:60]!r}" if line.prefix else f"phrases {', '.join(guide.phrases)[:60]!r}"
    size = len(line.prefix) or Progress.begin(line.phrases).left
    if size > most:
        raise UserError(
            f"the {asked} have {size} pieces, but the translation of their line has {most} at the most; "
            "raise search.max_length_extra"
        )
    never = {UNK, *banned}
    if not never.isdisjoint(chain(line.prefix, *line.phrases)):
        words = target.prepare([" ".join([guide.prefix, *guide.phrases])])[0].split()
        found = zip(words, target.encode(words, [line.words] * len(words)), strict=True)
        wrong = next((word for word, ids in found if not never.isdisjoint(ids)), "a word")
        raise UserError(f"the {asked} hold {wrong[:60]!r}, which the model has no word for, or never writes")
