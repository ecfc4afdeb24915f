"""The recipe's `data`."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from nmt.recipe.section import Positive, PositiveFloat, Problem, Section


class DataOptions(Section):
    """Where the text comes from and which of it is used."""

    path: str | Annotated[list[str], Field(min_length=2, max_length=2)]
    """A hub id, a local folder or file that `datasets` loads, `builtin:numbers`, or two plain text files, one sentence
    a line: `PREFIX` for PREFIX.de and PREFIX.en (if those are `source` and `target`), or a list of the two. `{split}`
    in a file name stands for the split's name; inside [brackets] such a name must be quoted."""
    config: str | None = None
    """The configuration of the dataset, where it has several."""
    train: str = "train"
    """Training split, in the notation of `datasets`: `train`, `train[:10000]`, `train[5%:]`."""
    validation: str = "validation"
    """Validation split; no line of it is ever dropped."""
    test: str | None = "test"
    """Test split; no line of it is ever dropped. null: no test at the end."""
    source: str = "source"
    """Column of the source text, or ending of its file; nested columns with a dot, `translation.de`. Lists of texts,
    such as sentences, are one text."""
    target: str = "target"
    """Column of the target text, or ending of its file. Lists of texts make a pair of each."""
    source_language: str | None = None
    """Code of the source language, `de`, for `tokenizer.moses`; null: the last part of `source`, as in
    `translation.de`."""
    target_language: str | None = None
    """Code of the target language; null: the last part of `target`."""
    cut_source: Positive | None = None
    """Sources are cut to this many pieces, the end not counted: those of the training pairs, and what the trained model
    reads. null: they are not cut."""
    cut_target: Positive | None = None
    """Targets of training pairs are cut to this many pieces, the end not counted, which follows all the same. Those of
    validation and test are never cut, neither for scores nor for perplexity. null: they are not cut."""
    max_length: Positive = 100
    """Training pairs with a side of more pieces than this, once cut, are dropped and counted."""
    subword_sampling: PositiveFloat | None = None
    """Train on segmentations sampled anew in each epoch (Kudo 2018), as probable as the model's probability to the
    power of this alpha: the smaller, the more varied. Needs a unigram tokenizer. null: the best segmentation."""
    workers: Positive = 2
    """Processes that tokenize the corpus."""

    def problems(self) -> Iterator[Problem]:
        """See `Section`."""
        longest = max(self.cut_source or 0, self.cut_target or 0)
        if longest > self.max_length:
            need = f"must be at least {longest}, or pairs cut to that (cut_source, cut_target) would be dropped"
            yield "max_length", need

    @property
    def languages(self) -> tuple[str, str]:
        """Source and target language, as far as the recipe says them."""
        return (
            self.source_language or self.source.rpartition(".")[2],
            self.target_language or self.target.rpartition(".")[2],
        )
