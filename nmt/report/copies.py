"""What was copied from where, by models with a pointer."""

from collections.abc import Mapping, Sequence

from nmt.align import Alignment
from nmt.report.content import Passage, Section, printable
from nmt.report.samples import spread

_LINES = 3


def copied_lines(sources: Sequence[str]) -> list[int]:
    """Numbers, from 0, of the lines that are shown."""
    return spread([at for at, source in enumerate(sources) if source.strip()], _LINES)


def copies(lines: Sequence[int], drawn: Mapping[str, Sequence[Alignment]]) -> Section:
    """Sources and what was written of them, word by word.

    Args:
        lines: numbers of the sources.
        drawn: by the name of a run with a pointer, the alignment of the words of each.
    """
    text = [
        "What was written by beam search, above its source. Marked: words that were copied, more than half of whose "
        "probability is copying and not making. Shaded: where the source was looked at, by all words together, or by "
        "the word that is pointed at or touched. The lines lie evenly in the set; of a long one, what the model reads."
    ]
    passages = [
        passage(f"Line {line + 1}, {name}", found[at]) for at, line in enumerate(lines) for name, found in drawn.items()
    ]
    return Section("Copied words", text, passages=passages)


def passage(caption: str, words: Alignment) -> Passage:
    """The alignment of words as it is shown; words at the end at which nothing looked were not read."""
    assert words.copied is not None
    looked = words.weights.any(dim=0).nonzero()[:, 0].tolist()
    read = looked[-1] + 1 if looked else len(words.source)
    return Passage(
        caption,
        [printable(word) for word in words.source[:read]],
        [printable(word) for word in words.target],
        words.copied.tolist(),
        words.weights[:, :read].tolist(),
    )
