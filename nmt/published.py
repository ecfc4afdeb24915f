"""Published figures beside our own, and where ours lie in the bands that the recipe expects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nmt.recipe.published import PublishedFigure
from nmt.recipe.recipe import Recipe


@dataclass(frozen=True)
class Comparison:
    """A published figure and ours.

    Attributes:
        published: what the recipe says of it.
        own: ours, or None if nothing of ours is to be compared with it.
    """

    published: PublishedFigure
    own: float | None

    @property
    def verdict(self) -> Literal["below", "inside", "above"] | None:
        """Where our figure lies, seen from the band in which it is expected; None without figure or band."""
        if self.own is None or self.published.band is None:
            return None
        low, high = self.published.band
        return "below" if self.own < low else "above" if self.own > high else "inside"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a result file."""
        return {**self.published.model_dump(), "own": self.own, "verdict": self.verdict}


def compare(recipe: Recipe, results: Mapping[str, Any]) -> list[Comparison]:
    """Every published figure that the recipe shows, with ours.

    Args:
        recipe: of the run.
        results: its evaluations as plain data, by `validation` or `test`; as in `results.json`.
    """
    return [Comparison(published, _find(results, published.of)) for published in shown(recipe)]


def shown(recipe: Recipe) -> list[PublishedFigure]:
    """The published figures of the recipe but those of other languages than it translates."""
    languages = [None, list(recipe.data.languages)]
    return [published for published in recipe.published if published.languages in languages]


def comparison_table(comparisons: Sequence[Comparison], recipe: Recipe) -> str:
    """Theirs, ours, what was expected of ours, and what exactly both are; empty if there is nothing to compare."""
    if not comparisons:
        return ""
    width = max(12, *(len(comparison.published.system) + 2 for comparison in comparisons))
    lines = [f"{'published':<{width}}{'theirs':>8}{'ours':>8}  expected"]
    for comparison in comparisons:
        published, own = comparison.published, comparison.own
        ours = "-" if own is None else f"{own:.2f}"
        lines += [
            f"{published.system:<{width}}{published.value:8.2f}{ours:>8}  {_expectation(comparison)}",
            f"  theirs: {published.metric} ({published.source})",
        ]
        if own is not None:
            differs = f"; {published.differs}" if published.differs else ""
            lines.append(f"  ours: {published.of}, {_data(recipe)}{differs}")
    return "\n".join(lines)


def _find(results: Mapping[str, Any], key: str | None) -> float | None:
    """The number at a dotted key, if there is one."""
    found: Any = results
    for part in key.split(".") if key else ():
        found = found.get(part, {})
    return float(found) if isinstance(found, (int, float)) else None


def _expectation(comparison: Comparison) -> str:
    band = comparison.published.band
    if band is None:
        return "no band" if comparison.own is not None else "for reference"
    verdict = f": {comparison.verdict}" if comparison.verdict else ""
    return f"{band[0]:g} to {band[1]:g}{verdict}"


def _data(recipe: Recipe) -> str:
    """The corpus as the recipe names it."""
    path = recipe.data.path
    return path if isinstance(path, str) else " and ".join(path)
