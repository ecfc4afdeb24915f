"""From the folders of runs to the two files of a report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nmt.errors import UserError
from nmt.report import scores
from nmt.report.collect import Run, SharedSet, comparable, read_runs
from nmt.report.content import Chapter, Section
from nmt.report.copies import copied_lines, copies
from nmt.report.curves import bleu_by_length, learning_curves
from nmt.report.gradients import gradients
from nmt.report.models import Inspection, inspect, load_set
from nmt.report.page import html_page, markdown_page
from nmt.report.samples import aligned_lines, alignments, translations
from nmt.report.significance import significance
from nmt.report.summaries import summaries
from nmt.text import check_writable, write_text


def write_report(runs: Sequence[Path], against: Path | None, folder: Path, say: Callable[[str], None]) -> Path:
    """Writes `index.html` and `report.md`.

    Args:
        runs: folders of finished runs.
        against: the one that the others are tested against; None: the first of each test set.
        folder: where to write.
        say: takes a line about what takes time.

    Returns:
        The page.

    Raises:
        UserError: if runs cannot be read, `against` is none of them, or the folder cannot be written.
    """
    found = read_runs(runs)
    chosen = None if against is None else _chosen(found, against)
    sets = comparable(found)
    check_writable(folder / "index.html")
    chapters = [_chapter(shared, chosen if chosen in shared.runs else None, say) for shared in sets]
    pages = {"index.html": html_page(chapters), "report.md": markdown_page(chapters)}
    for name, content in pages.items():
        write_text(folder / name, content)
    return folder / "index.html"


def _chosen(runs: Sequence[Run], against: Path) -> Run:
    for run in runs:
        if run.folder.resolve() == against.resolve():
            return run
    raise UserError(f"--against {against}: name one of the runs of the report")


def _chapter(shared: SharedSet, chosen: Run | None, say: Callable[[str], None]) -> Chapter:
    """All of one test set; `chosen` is the run that the others are tested against, None for the first."""
    first = shared.runs[0]
    chosen = chosen or first
    data = first.recipe.data
    path = data.path if isinstance(data.path, str) else " and ".join(data.path)
    split = data.test if first.split == "test" else data.validation
    text = [f"{path}, {len(shared.references):,} lines"]
    sections = [
        scores.scores(shared),
        summaries(shared),
        scores.published(shared),
        significance(shared, chosen),
        scores.differences(shared),
        scores.cost(shared),
        learning_curves(shared),
        bleu_by_length(shared),
        *_with_text(shared, chosen, say),
    ]
    title = f"{data.source} → {data.target}, {split}"
    return Chapter(title, text, [section for section in sections if section is not None])


def _with_text(shared: SharedSet, chosen: Run, say: Callable[[str], None]) -> list[Section]:
    """The sections that need the text of the set, and the models; where these are not at hand, the reason."""
    try:
        texts = load_set(shared)
    except UserError as error:
        reason = f"The text of the set is not at hand: {error}"
        return [*_of_models(shared.runs, [], {}, [reason]), translations(shared, chosen, None)]
    lines, copied = aligned_lines(texts.lines), copied_lines(texts.lines)
    inspected, problems = {}, []
    for run in shared.runs:
        say(f"{run.name}: alignments and gradients")
        try:
            inspected[run.name] = inspect(run, texts, lines, copied)
        except UserError as error:
            problems.append(f"Left out: {run.name}. {error}")
    sections = [*_of_models(shared.runs, lines, inspected, problems), translations(shared, chosen, texts.lines)]
    shown = {name: found.copies for name, found in inspected.items() if found.copies}
    return [*sections, copies(copied, shown)] if shown else sections


def _of_models(
    runs: Sequence[Run], lines: Sequence[int], inspected: Mapping[str, Inspection], problems: Sequence[str]
) -> list[Section]:
    """Alignments and gradients of the runs that could be inspected, by their names, and why others could not."""
    norms = [inspected[run.name].norms if run.name in inspected else [] for run in runs]
    sections = [
        alignments(list(inspected), lines, [found.alignments for found in inspected.values()]),
        gradients([run.name for run in runs], norms),
    ]
    if not inspected:
        return [Section(section.title, problems) for section in sections]
    return [replace(section, text=[*section.text, *problems]) for section in sections]
