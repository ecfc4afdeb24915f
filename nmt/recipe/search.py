"""The recipe's `search`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from nmt.recipe.section import NonNegative, NonNegativeFloat, Positive, Problem, Section

AlignedTo = Literal["predicted", "input"]
"""Which of a step's two target tokens its attention belongs to."""


class SearchOptions(Section):
    """Beam search."""

    beam_size: Positive = 5
    """Hypotheses of a sentence that are followed at a time. 1: greedy search."""
    length_penalty: NonNegativeFloat = 1.0
    """Alpha of Wu et al. 2016, equation 14: scores are divided by ((5 + length) / 6) ** alpha. 0: none."""
    max_length_ratio: Annotated[float, Field(ge=0.0, le=1000.0)] = 2.0
    """A translation has at most max_length_ratio * source pieces (the end included) + max_length_extra pieces."""
    max_length_extra: Annotated[int, Field(ge=1, le=100_000)] = 20
    """See `max_length_ratio`."""
    min_length_ratio: Annotated[float, Field(ge=0.0, le=1000.0)] = 0.0
    """A translation has at least min_length_ratio * source pieces (the end included) + min_length_extra pieces, but
    never more than it may have."""
    min_length_extra: NonNegative = 0
    """See `min_length_ratio`; with a ratio of 0, the least number of pieces (See et al. 2017: 35)."""
    block_ngrams: Positive | None = None
    """No run of this many pieces comes twice in a translation (Paulus et al. 2018, section 2.5). null: any may."""
    coverage_penalty: NonNegativeFloat = 0.0
    """Beta: by how much scores fall for what a translation has looked at too little or too often. Needs an attention.
    0: none."""
    coverage_penalty_type: Literal["wu", "summary"] = "wu"
    """What it punishes: wu + source pieces that were not looked at (Wu et al. 2016, equation 14), summary + those that
    were looked at more than once, at every step of the search (Gehrmann et al. 2018; OpenNMT-py)."""
    diversity_groups: Positive = 1
    """Groups of the beam, each of which keeps away from the words of those before it (Vijayakumar et al. 2018). A beam
    of one is one group."""
    diversity_penalty: NonNegativeFloat = 0.5
    """What a word costs for each hypothesis of an earlier group that has it at the same place (lambda of the paper)."""
    forbid_unknown: bool = False
    """No translation holds the unknown piece (Bahdanau et al. 2015, table 1, "No UNK")."""
    batch_size: Positive = 64
    """Sentences translated together; changes the speed, not the result."""
    max_source_length: Positive = 1000
    """Longer sources are cut to this many pieces, or to `data.cut_source` if that is less, the end not counted, and
    counted. On the command line it goes before `data.cut_source`."""
    alignment: AlignedTo = "predicted"
    """Whose alignment the attention of a step is: that of the token it predicts, as in our models, or of the token it
    reads (as Luong et al. 2015, footnote 14, have it for scores that compare states)."""
    replace_unknown: bool = False
    """Put the source word that it looks at most in the place of each unknown word (Luong et al. 2015, section 4), or
    what `dictionary` has for it."""
    dictionary: str | None = None
    """A file of translations for `replace_unknown`: source word, tab, target word on each line; the first one wins."""

    @property
    def groups(self) -> int:
        """Groups that the beam is divided into: those asked for, but one of a beam that is a single hypothesis."""
        return self.diversity_groups if self.beam_size > 1 else 1

    def problems(self) -> Iterator[Problem]:
        """See `Section`."""
        if self.beam_size % self.groups:
            yield "diversity_groups", f"must divide beam_size ({self.beam_size})"
