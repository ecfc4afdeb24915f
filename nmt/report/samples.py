"""Sentences of the set: their translations side by side, and their alignments."""

import difflib
from collections.abc import Sequence

from nmt.align import Alignment
from nmt.report.collect import Run, SharedSet
from nmt.report.content import Cell, Figure, Marked, Section, Strip, Table, printable
from nmt.report.svg import matrix

_TRANSLATIONS = 8
_ALIGNMENTS = 3
_ALIGNED_WORDS = range(5, 21)  # of a source; Bahdanau et al. 2015 show 10 to 20


def spread(lines: Sequence[int], count: int) -> list[int]:
    """So many of the lines, or all, evenly far apart: nobody has chosen them."""
    count = min(count, len(lines))
    return [lines[(2 * number + 1) * len(lines) // (2 * count)] for number in range(count)]


def aligned_lines(sources: Sequence[str]) -> list[int]:
    """Numbers, from 0, of the lines whose alignments are drawn: such as fit on a page."""
    return spread([at for at, source in enumerate(sources) if len(source.split()) in _ALIGNED_WORDS], _ALIGNMENTS)


def alignments(names: Sequence[str], lines: Sequence[int], drawn: Sequence[Sequence[Alignment | None]]) -> Section:
    """Alignment matrices, as figure 3 of Bahdanau et al. 2015.

    Args:
        names: of the runs.
        lines: numbers of the sentences.
        drawn: of each run, the alignment of each sentence; None where there is no attention.
    """
    strips = [
        Strip(
            [
                Figure(name, matrix(alignment, describe(alignment)))
                for name, found in zip(names, drawn, strict=True)
                if (alignment := found[at]) is not None
            ],
            f"Line {line + 1}",
        )
        for at, line in enumerate(lines)
    ]
    without = [name for name, found in zip(names, drawn, strict=True) if None in found]
    text = [
        "Where each piece that the beam search wrote (downwards) looked in the source (from left to right): the "
        "stronger the colour, the more attention, as in figure 3 of Bahdanau et al. 2015. The lines lie evenly in "
        f"the set, among those of {_ALIGNED_WORDS[0]} to {_ALIGNED_WORDS[-1]} words.",
        *([] if lines else ["It has none of these."]),
        *([f"Without attention: {', '.join(without)}."] if without else []),
    ]
    return Section("Alignments", text, strips=[strip for strip in strips if strip.figures])


def describe(alignment: Alignment) -> str:
    """An alignment in words: what each target piece looked at most."""
    best = alignment.weights.argmax(dim=1).tolist()
    pairs = (f"{target} at {alignment.source[at]}" for target, at in zip(alignment.target, best, strict=True))
    return printable(f"Each piece looked most at: {', '.join(pairs)}")


_KINDS = {
    "translation": ("Translations", "Sentences that lie evenly in the set, translated by beam search."),
    "summarization": ("Summaries", "Documents that lie evenly in the set, summarized by beam search; ¶ ends a line."),
}


def translations(shared: SharedSet, chosen: Run, sources: Sequence[str] | None) -> Section:
    """Source, references and what every run has found for a few lines."""
    lines = spread(range(len(shared.references)), _TRANSLATIONS)
    found = {run.name: run.lines("beam") for run in shared.runs}
    title, about = _KINDS[chosen.recipe.evaluation.type]
    text = [about]
    if len(found) > 1:
        text.append(f"Marked: words that {chosen.name} has not there.")
    tables = []
    for line in lines:
        rows: list[list[Cell]] = [["source", _on_one_line(sources[line])]] if sources else []
        rows += [["reference", _on_one_line(reference)] for reference in shared.references[line]]
        own = printable(found[chosen.name][line])
        rows += [[name, marked(printable(texts[line]), own)] for name, texts in found.items()]
        tables.append(Table(f"Line {line + 1}", ["", ""], rows))
    return Section(title, text, tables=tables)


def _on_one_line(text: str) -> str:
    return printable(" ¶ ".join(text.replace("\r\n", "\n").split("\n")))


def marked(text: str, other: str) -> Marked:
    """The text, its words that the other does not have at their place marked."""
    words = text.split(" ")
    parts: list[tuple[str, bool]] = []
    for kind, _, _, begin, end in difflib.SequenceMatcher(None, other.split(" "), words, autojunk=False).get_opcodes():
        if begin < end:
            parts.append((" ".join(words[begin:end]), kind != "equal"))
    return Marked(tuple(parts))
