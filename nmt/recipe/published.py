"""The recipe's `published`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from nmt.recipe.section import Problem, Section

OwnFigure = Literal[
    "test.beam.bleu",
    "test.beam.bleu_before_replacement",
    "test.beam.rouge1",
    "test.beam.rouge2",
    "test.beam.rougeL",
    "test.beam.rougeLsum",
    "test.greedy.bleu",
    "test.greedy.rouge1",
    "test.greedy.rouge2",
    "test.greedy.rougeL",
    "test.greedy.rougeLsum",
    "test.no_unk.bleu",
    "test.perplexity",
    "validation.beam.bleu",
    "validation.greedy.bleu",
    "validation.no_unk.bleu",
    "validation.perplexity",
]
"""Figures of a run that published ones are compared with, by their keys in results.json."""


class PublishedFigure(Section):
    """A figure of a paper or a toolkit, and what is expected of ours."""

    system: str
    """What it is called there."""
    metric: str
    """What exactly was measured: the score, the test set, tokenization, case, the scorer."""
    value: Annotated[float, Field(allow_inf_nan=False)]
    """The figure itself."""
    source: str
    """Where it was read: authors, year, table, arXiv id or file."""
    languages: Annotated[list[str], Field(min_length=2, max_length=2)] | None = None
    """Source and target language of the text that was measured, as in [de, en]; a run of other languages does not show
    the figure. null: every run of the recipe does."""
    of: OwnFigure | None = "test.beam.bleu"
    """Which of our figures is set beside it, by its key in results.json: `beam.bleu`, `greedy.bleu`, `no_unk.bleu` or
    `perplexity` of `test` or `validation`, or `test.beam.bleu_before_replacement` (of unknown words); of summaries
    `rouge1`, `rouge2`, `rougeL` or `rougeLsum` of `test.beam` or `test.greedy`. null: none, for we measure nothing like
    it."""
    band: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """From where to where our figure is expected; null: there is no telling."""
    differs: str | None = None
    """In what our protocol differs from the published one; null: in nothing that is known."""

    def problems(self) -> Iterator[Problem]:
        """See `Section`."""
        if self.band is not None and self.band[0] > self.band[1]:
            yield "band", f"must rise, but {self.band[0]:g} is above {self.band[1]:g}"
        if self.band is not None and self.of is None:
            yield "band", "needs a figure of ours to be compared with: give `of`"
