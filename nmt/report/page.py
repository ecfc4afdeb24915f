"""The report as one HTML page that needs nothing else, and as Markdown."""

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version

from markupsafe import Markup, escape

from nmt.report.content import Cell, Chapter, Marked, Passage, Section, Table
from nmt.report.svg import FAINTEST

TITLE = "Report of runs"


def html_page(chapters: Sequence[Chapter]) -> str:
    """The whole page; every text is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("nmt.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["shades"] = _shades
    page = environment.get_template("page.html.jinja")
    return page.render(title=TITLE, chapters=chapters, version=version("nmt"))


def _breakable(name: str) -> Markup:
    """With places where a narrow column may break a path or a dotted key."""
    return Markup(re.sub(r"([./_])", r"\1<wbr>", str(escape(name))))


def _shades(passage: Passage, name: str) -> Markup:
    """How strong each word of a source is shaded: by all that was written, or by the word that is pointed at.

    Rules of style do without a program in the page. Those of a single word are the stronger ones.
    """
    rules = [f":where(#{name}) .s{at}{{--a:{share:.2f}}}" for at, share in _visible(passage.looked_at)]
    for word, weights in enumerate(passage.weights):
        chosen = f"#{name}:has(.w{word}:is(:hover,:focus))"
        rules += [f"{chosen} .s{at}{{--a:{min(weight, 1.0):.2f}}}" for at, weight in _visible(weights)]
    return Markup("\n".join(rules))


def _visible(weights: Sequence[float]) -> list[tuple[int, float]]:
    return [(at, weight) for at, weight in enumerate(weights) if weight >= FAINTEST]


def markdown_page(chapters: Sequence[Chapter]) -> str:
    """The same texts and tables; the drawings stand on the page alone."""
    lines = [f"# {TITLE}", ""]
    for chapter in chapters:
        lines += [f"## {_escaped(chapter.title)}", "", *_paragraphs(chapter.text)]
        for section in chapter.sections:
            lines += _markdown_section(section)
    return "\n".join(lines)


def _markdown_section(section: Section) -> Iterator[str]:
    yield from [f"### {_escaped(section.title)}", "", *_paragraphs(section.text)]
    for table in section.tables:
        yield from [f"**{_escaped(table.caption)}**", "", *_markdown_table(table), ""]
    for passage in section.passages:
        parts = zip(passage.written, passage.were_copied, strict=True)
        yield from [f"**{_escaped(passage.caption)}**", "", _markdown_cell(Marked(tuple(parts))), ""]


def _paragraphs(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        yield from (_escaped(text), "")


def _markdown_table(table: Table) -> Iterator[str]:
    yield _markdown_row(table.header)
    yield "|" + "".join("---:|" if numeric else "---|" for numeric in table.numeric)
    for row in table.rows:
        yield _markdown_row(row)


def _markdown_row(cells: Sequence[Cell]) -> str:
    return "| " + " | ".join(map(_markdown_cell, cells)) + " |"


def _markdown_cell(cell: Cell) -> str:
    if not isinstance(cell, Marked):
        return _escaped(cell)
    return " ".join(f"**{_escaped(part)}**" if stands_out else _escaped(part) for part, stands_out in cell.parts)


def _escaped(text: str) -> str:
    """As Markdown that shows just this text, on one line, also within a table."""
    plain = re.sub(r"\s*[\r\n]\s*", " ", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", plain)
