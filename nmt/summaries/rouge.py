"""ROUGE by rouge-score, stemmed, in percent: of single documents, and of sets with intervals by bootstrap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from nmt.errors import UserError
from nmt.recipe.evaluation import SummarizationEvaluation
from nmt.summaries.text import sentences

Kind = Literal["rouge1", "rouge2", "rougeL", "rougeLsum"]

KINDS: tuple[Kind, ...] = ("rouge1", "rouge2", "rougeL", "rougeLsum")
"""What is measured, in the words of rouge-score: single words, pairs, and common subsequences of the whole summary and
of its sentences (what ROUGE-1.5.5, and so most papers, call ROUGE-L)."""

LABELS = dict(zip(KINDS, ("ROUGE-1", "ROUGE-2", "ROUGE-L", "ROUGE-Lsum"), strict=True))
"""What people call them."""

MONITORED = KINDS[:3]
"""Those whose mean F1 a training monitors, and by which runs are compared: each can rise while another falls."""

SAMPLES = 1000
"""Sets that are drawn with replacement for an interval, as many as rouge-score's own."""

_SEED = 12345
_PERCENTILES = (2.5, 97.5)
_PARTS = ("precision", "recall", "f1")  # in the order of rouge-score

Interval = tuple[float, float]


@dataclass(frozen=True)
class Rouge:
    """Means over a set of documents.

    Attributes:
        f1: of each kind.
        precision: of each kind.
        recall: of each kind.
        intervals: where each part of each kind lies in 95 % of samples of the documents.
        signature: what exactly was measured, which makes a score comparable.
    """

    f1: Mapping[Kind, float]
    precision: Mapping[Kind, float]
    recall: Mapping[Kind, float]
    intervals: Mapping[Kind, Mapping[str, Interval]]
    signature: str

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a result file; F1 stands by the kind's own name."""
        return {
            **{str(kind): value for kind, value in self.f1.items()},
            "precision": self.precision,
            "recall": self.recall,
            "intervals": self.intervals,
            "signatures": {"rouge": self.signature},
        }


def rouge(summaries: Sequence[str], references: Sequence[Sequence[str]], options: SummarizationEvaluation) -> Rouge:
    """Scores summaries, each against one or several references.

    Raises:
        UserError: if there is not one summary of each document, or there are none.
    """
    values = by_document(summaries, references, options)
    bounds = np.percentile(resampled(values), _PERCENTILES, axis=0)
    precision, recall, f1 = (dict(zip(KINDS, part.tolist(), strict=True)) for part in values.mean(axis=0).T)
    intervals = {
        kind: {part: (float(low), float(high)) for part, (low, high) in zip(_PARTS, parts.T, strict=True)}
        for kind, parts in zip(KINDS, bounds.transpose(1, 0, 2), strict=True)
    }
    return Rouge(f1, precision, recall, intervals, signature(references, options))


def monitored(summaries: Sequence[str], references: Sequence[Sequence[str]], options: SummarizationEvaluation) -> float:
    """The mean F1 of `MONITORED` over all documents: one number, cheap enough for every validation."""
    return float(by_document(summaries, references, options, MONITORED)[:, :, 2].mean())


def by_document(
    summaries: Sequence[str],
    references: Sequence[Sequence[str]],
    options: SummarizationEvaluation,
    kinds: Sequence[Kind] = KINDS,
) -> Float[np.ndarray, "documents kinds 3"]:
    """Precision, recall and F1 of each document, in percent.

    Of several references the one with the best F1 counts, for each kind by itself, or the mean of all, as the options
    say.

    Raises:
        UserError: if there is not one summary of each document, or there are none.
    """
    if len(summaries) != len(references):
        raise UserError(f"{len(summaries)} summaries cannot be scored against those of {len(references)} documents")
    if not references:
        raise UserError("there is nothing to score: the set is empty")
    scorer, found = _scorer(tuple(kinds)), []
    for summary, several in zip(summaries, references, strict=True):
        given, wanted = by_sentences(summary), [by_sentences(reference) for reference in several]
        if options.references == "best":
            scores = [scorer.score_multi(wanted, given)]
        else:
            scores = [scorer.score(reference, given) for reference in wanted]
        found.append(np.mean([[each[kind] for kind in kinds] for each in scores], axis=0))
    return 100.0 * np.array(found)


@cache
def _scorer(kinds: tuple[Kind, ...]) -> Any:
    """`RougeScorer(kinds, use_stemmer=True)`, about three times as fast, for it stems each word once."""
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(kinds, tokenizer=_StemmingTokenizer())


class _StemmingTokenizer:
    """rouge-score's own tokenizer, with a stemmer that remembers."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self.stem = cache(PorterStemmer().stem)

    def tokenize(self, text: str) -> list[str]:
        """The stems of a text's words."""
        from rouge_score.tokenize import tokenize

        return list(tokenize(text, self))


def is_seen(text: str) -> bool:
    """Whether rouge-score finds a word in a text; it finds none in that of another alphabet."""
    from rouge_score.tokenize import tokenize

    return bool(tokenize(text, None))


def by_sentences(text: str) -> str:
    """A text with each of its sentences on a line: rougeLsum looks at them one by one."""
    return "\n".join(sentences(text))


def resampled(values: Float[np.ndarray, "documents kinds *parts"]) -> Float[np.ndarray, "samples kinds *parts"]:
    """The means of `SAMPLES` samples of as many documents, drawn with replacement; every call draws the same ones.

    The draws are those of rouge-score's BootstrapAggregator after `numpy.random.seed(12345)`, so that sets of documents
    of the same size can be compared sample by sample.
    """
    random, count = np.random.RandomState(_SEED), len(values)
    return np.stack([values[random.randint(0, count, count)].mean(axis=0) for _ in range(SAMPLES)])


def signature(references: Sequence[Sequence[str]], options: SummarizationEvaluation) -> str:
    """What exactly is measured, in the manner of sacreBLEU's signatures."""
    numbers = {len(several) for several in references}
    parts = {
        "nrefs": str(*numbers) if len(numbers) == 1 else "var",
        "refs": options.references,
        "lines": str(len(references)),
        "stem": "yes",
        "sentences": "marks",
        "bs": str(SAMPLES),
        "seed": str(_SEED),
        "rouge-score": version("rouge-score"),
    }
    return "|".join(f"{name}:{value}" for name, value in parts.items())
