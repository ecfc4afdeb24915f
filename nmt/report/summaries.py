"""What the summaries of the runs are made of, beside extracts of the documents and the references themselves."""

from collections.abc import Iterator

from nmt.evaluation.summaries import COLUMNS, MEANING, cells
from nmt.report.collect import SharedSet
from nmt.report.content import NOTHING, Section, Table


def summaries(shared: SharedSet) -> Section | None:
    """A row for each search of each run, each extract and the references; None of translations."""
    if "extracts" not in shared.runs[0].scores:
        return None
    rows = [[name, *(NOTHING if cell == "-" else cell for cell in row)] for name, row in _rows(shared)]
    return Section(
        "What the summaries are made of",
        [f"{MEANING[0].upper()}{MEANING[1:]}."],
        tables=[Table("Summaries, extracts, references", ["", *COLUMNS], rows)],
    )


def _rows(shared: SharedSet) -> Iterator[tuple[str, list[str]]]:
    for run in shared.runs:
        for search in ("beam", "greedy"):
            yield f"{run.name}, {search}", cells(run.scores[search])
    found = shared.runs[0].scores  # the others have the same documents
    for name, extract in found["extracts"].items():
        yield name, cells(extract)
    yield "reference", cells(found["reference"])
