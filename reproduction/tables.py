"""Tables of the page."""

import statistics
from collections.abc import Mapping, Sequence

MISSING = "not yet trained"
"""Stands where a run is missing."""


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table; the first row is the heading."""
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])


def number(values: Sequence[float], form: str = "{:.2f}") -> str:
    """The mean; nothing where there is none."""
    return form.format(statistics.mean(values)) if values else ""


def mean_and_each(values: Sequence[float]) -> str:
    """The mean, and if there are several, in brackets each."""
    each = f" ({', '.join(f'{value:.2f}' for value in values)})" if len(values) > 1 else ""
    return number(values) + each


def described(fields: Mapping[str, str]) -> str:
    """Fields of a recipe and their values."""
    return ", ".join(f"`{name}: {value}`" for name, value in fields.items())
