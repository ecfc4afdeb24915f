"""Summaries: ROUGE and what they are made of, beside extracts of the documents and the references themselves."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nmt.errors import UserError
from nmt.evaluation.searches import Searched, Validation, changed, cuts, perplexity, search, told_cuts
from nmt.recipe.evaluation import SummarizationEvaluation
from nmt.summaries.documents import Documents, documents
from nmt.summaries.extracts import extracts
from nmt.summaries.names import NameFinder, Names, names
from nmt.summaries.rates import Rates, rates
from nmt.summaries.rouge import KINDS, LABELS, MONITORED, Rouge, is_seen, monitored, rouge
from nmt.translation import Translation
from nmt.translator import Translator


@dataclass(frozen=True)
class Measured:
    """What is known of some summaries, one of each document.

    Attributes:
        rates: what they are made of.
        names: names and numbers in them.
        rouge: their score; None for the references, which have nothing to be scored against.
    """

    rates: Rates
    names: Names
    rouge: Rouge | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a result file."""
        scores = self.rouge.as_dict() if self.rouge else {}
        return {**scores, **self.rates.as_dict(), "names": self.names.as_dict()}


@dataclass(frozen=True)
class FoundSummaries:
    """What one kind of search gives on a set.

    Attributes:
        translations: the best summary of each document.
        lines: their text, which was scored.
        seconds: the time that it took to find them.
        scores: ROUGE, and what they are made of.
    """

    translations: list[Translation]
    lines: list[str]
    seconds: float
    scores: Measured


@dataclass(frozen=True)
class EvaluatedSummaries:
    """An evaluated set.

    Attributes:
        documents: what was summarized, with the references.
        greedy: by greedy search.
        beam: by beam search, as the recipe says.
        perplexity: exponential of the negative log-likelihood per target token of all references, the ends included.
        beam_size: hypotheses of the beam search.
        extracts: of the documents, by their names; see `nmt.summaries.extracts`.
        reference: the references themselves.
    """

    documents: Documents
    greedy: FoundSummaries
    beam: FoundSummaries
    perplexity: float
    beam_size: int
    extracts: Mapping[str, Measured]
    reference: Measured

    @property
    def sources(self) -> Sequence[str]:
        """The documents."""
        return self.documents.sources

    def searches(self) -> dict[str, FoundSummaries]:
        """Both, by what their files are called."""
        return {"greedy": self.greedy, "beam": self.beam}

    def references(self) -> dict[str, list[str]]:
        """The lines of the file of references: a JSON list of those of each document."""
        lines = [json.dumps(several, ensure_ascii=False) for several in self.documents.references]
        return {"references.jsonl": lines}

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a result file."""
        return {
            "beam": {**self.beam.scores.as_dict(), "beam_size": self.beam_size},
            "greedy": self.greedy.scores.as_dict(),
            "extracts": {name: found.as_dict() for name, found in self.extracts.items()},
            "reference": self.reference.as_dict(),
            "perplexity": self.perplexity,
            **cuts(self.beam.translations),
        }

    def table(self, title: str) -> str:
        """A line for each search, each extract and the references, and what exactly was measured."""
        rows = {
            "greedy": self.greedy.scores,
            f"beam {self.beam_size}": self.beam.scores,
            **self.extracts,
            "reference": self.reference,
        }
        score = self.beam.scores.rouge
        assert score is not None
        intervals = ("{} {:.2f} to {:.2f}".format(LABELS[kind], *score.intervals[kind]["f1"]) for kind in KINDS)
        return "\n".join(
            [
                _row(title, COLUMNS),
                *(_row(name, cells(found.as_dict())) for name, found in rows.items()),
                f"perplexity {self.perplexity:.3f} per target piece, {len(self.documents.sources)} documents",
                *told_cuts(self.beam.translations),
                f"ROUGE: F1, {score.signature}",
                f"beam {self.beam_size}, 95 % intervals: {', '.join(intervals)}",
                MEANING,
            ]
        )


_NEW = ("new 1", "new 2", "new 3", "new 4")
_MADE_OF = (*_NEW, "copied", "length", "twice 2", "twice 3", "words", "names", "right", "found")

COLUMNS = (*LABELS.values(), *_MADE_OF)
"""The columns of `cells`."""

MEANING = (
    "in %: new n-grams, words copied, pairs and trigrams of words said twice; length: of copied fragments; names and "
    "numbers in each summary, right: in the document, found: of the reference's"
)
"""What is in the columns beside ROUGE."""


def cells(found: Mapping[str, Any]) -> list[str]:
    """A row of a table.

    Args:
        found: what is known of some summaries, as in a result file.
    """
    scores = [found.get(kind) for kind in KINDS]
    made_of = [*found["novel"], found["coverage"], found["density"], *found["repeated"][1:3], found["words"]]
    of_names = [found["names"][name] for name in ("each", "right", "recall")]
    return [*(_number(value, 2) for value in scores), *(_number(value, 1) for value in (*made_of, *of_names))]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _row(name: str, values: Sequence[str]) -> str:
    """A line of the table, as wide as its titles."""
    return f"{name:<12}" + "".join(f"{value:>{len(title) + 2}}" for title, value in zip(COLUMNS, values, strict=True))


def evaluate_summaries(
    translator: Translator, sources: Sequence[str], references: Sequence[str], options: SummarizationEvaluation
) -> EvaluatedSummaries:
    """Summarizes every document greedily and with a beam, and measures that beside extracts and references.

    Args:
        translator: the model.
        sources: of pairs; those that follow each other with one source are one document with several references.
        references: of the pairs.
        options: how several references count.

    Raises:
        UserError: if there are no pairs, not one reference for each source, or none that ROUGE sees.
    """
    on_lines = translator.tokenizers.source.preparation.with_line_ends
    found = _documents([on_lines(source) for source in sources], references)
    measure = _Measuring(found, options)
    greedy_translator = changed(translator, beam_size=1)
    beam = measure.searched(search(translator, found.sources))
    greedy = measure.searched(search(greedy_translator, found.sources))
    return EvaluatedSummaries(
        found,
        greedy,
        beam,
        perplexity(greedy_translator.score(sources, references)),
        translator.options.beam_size,
        {name: measure.summaries(lines) for name, lines in extracts(found.sources).items()},
        measure.reference(),
    )


def validate_summaries(
    sources: Sequence[str], references: Sequence[str], options: SummarizationEvaluation
) -> Validation:
    """What a training searches and scores of its validation set: each document once, the mean F1 of `MONITORED`."""
    found = _documents(sources, references)

    def score(summaries: Sequence[Translation]) -> float:
        return monitored([summary.text for summary in summaries], found.references, options)

    first = [several[0] for several in found.references]
    label = f"mean of {', '.join(LABELS[kind] for kind in MONITORED)}"
    return Validation("rouge", label, found.sources, first, score, "summary")


def _documents(sources: Sequence[str], references: Sequence[str]) -> Documents:
    if len(sources) != len(references):
        raise UserError(f"{len(references)} summaries cannot be those of {len(sources)} documents")
    if references and not any(map(is_seen, references)):
        raise UserError("ROUGE sees the letters a to z and digits alone, and no reference summary has any")
    return documents(sources, references)


class _Measuring:
    """Measures summaries of one set of documents."""

    def __init__(self, found: Documents, options: SummarizationEvaluation) -> None:
        self._documents = found
        self._options = options
        self._finder = NameFinder(text for pair in found.pairs() for text in pair)

    def searched(self, found: Searched) -> FoundSummaries:
        lines = [summary.text for summary in found.translations]
        return FoundSummaries(found.translations, lines, found.seconds, self.summaries(lines))

    def summaries(self, lines: Sequence[str]) -> Measured:
        scores = rouge(lines, self._documents.references, self._options)  # first: it says what cannot be measured
        return Measured(rates(lines, self._documents.sources), names(lines, self._documents, self._finder), scores)

    def reference(self) -> Measured:
        """All references, each a summary of its own; none has another to find the names of."""
        sources, references = map(list, zip(*self._documents.pairs(), strict=True))
        alone = Documents(sources, [[] for _ in sources])
        return Measured(rates(references, sources), names(references, alone, self._finder))
