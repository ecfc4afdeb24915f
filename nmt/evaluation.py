"""One function translates, scores and computes perplexity: after a training and for `nmt evaluate`."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from nmt.metrics import Scores, bleu, score
from nmt.recipe import EvaluationOptions
from nmt.translator import Translation, Translator

_SPANS = (0, 7, 10, 13, 16, 20, 30, 40, 50, 1_000_000)  # bounds of source lengths in words


@dataclass(frozen=True)
class SearchResult:
    """What one kind of search gives on a set: the best translation of each line, the scores of them all, the time."""

    translations: list[Translation]
    scores: Scores
    seconds: float

    @property
    def lines(self) -> list[str]:
        """The translations as text."""
        return [translation.text for translation in self.translations]


@dataclass(frozen=True)
class Evaluation:
    """An evaluated set.

    Attributes:
        sources: the lines that were translated.
        greedy: by greedy search.
        beam: by beam search, as the recipe says.
        perplexity: exponential of the negative log-likelihood per target token, the ends included.
        beam_size: hypotheses of the beam search.
        by_length: the beam's BLEU and number of lines, for sources of so many words (Bahdanau et al. 2015, figure 2).
    """

    sources: Sequence[str]
    greedy: SearchResult
    beam: SearchResult
    perplexity: float
    beam_size: int
    by_length: dict[str, dict[str, float]]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a result file."""
        return {
            "beam": {**self.beam.scores.as_dict(), "beam_size": self.beam_size},
            "greedy": self.greedy.scores.as_dict(),
            "perplexity": self.perplexity,
            "bleu_by_source_length": self.by_length,
        }

    def table(self, title: str) -> str:
        """The scores, greedy and beam, with BLEU's signature."""
        rows = [
            f"{title:<12}{'BLEU':>8}{'chrF':>8}{'TER':>8}{'exact':>8}",
            _row("greedy", self.greedy.scores),
            _row(f"beam {self.beam_size}", self.beam.scores),
            f"perplexity {self.perplexity:.3f} per target piece, {len(self.beam.translations)} lines",
            f"BLEU {self.beam.scores.signatures['bleu']}",
        ]
        return "\n".join(rows)


def evaluate_translator(
    translator: Translator,
    sources: Sequence[str],
    references: Sequence[str],
    options: EvaluationOptions = EvaluationOptions(),  # noqa: B008 - it cannot change
) -> Evaluation:
    """Translates all lines greedily and with a beam, and scores both against the references as they are.

    Raises:
        UserError: if there are no lines, or not one reference for each.
    """
    beam = _search(translator, sources, references, options)
    # What there is to say about a line has been said.
    greedy_options = translator.options.model_copy(update={"beam_size": 1})
    quiet = Translator(translator.model, translator.tokenizers, greedy_options, warn=lambda _: None)
    greedy = _search(quiet, sources, references, options)
    return Evaluation(
        sources,
        greedy,
        beam,
        perplexity(quiet.score(sources, references)),
        translator.options.beam_size,
        bleu_by_length(sources, beam.lines, references, options),
    )


def bleu_by_length(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], options: EvaluationOptions
) -> dict[str, dict[str, float]]:
    """Corpus BLEU and number of lines of each span of source lengths, in words between white space."""
    rows = list(zip(sources, hypotheses, references, strict=True))
    spans = {}
    for shortest, longest in pairwise(_SPANS):
        chosen = [row for row in rows if shortest <= len(row[0].split()) < longest]
        if chosen:
            _, found, wanted = zip(*chosen, strict=True)
            name = f"{shortest}-{longest - 1}" if longest < _SPANS[-1] else f"{shortest}+"
            spans[name] = {"bleu": bleu(found, wanted, options), "lines": len(chosen)}
    return spans


def perplexity(scored: Sequence[tuple[float, int]]) -> float:
    """Exponential of the negative log-likelihood per token, from pairs of log-probability and number of tokens."""
    total = sum(log_prob for log_prob, _ in scored)
    tokens = sum(count for _, count in scored)
    return math.exp(min(-total / tokens, 700.0)) if tokens else math.nan


def _search(
    translator: Translator, sources: Sequence[str], references: Sequence[str], options: EvaluationOptions
) -> SearchResult:
    start = time.perf_counter()
    translations = [found[0] for found in translator.translate(sources)]
    seconds = time.perf_counter() - start
    lines = [translation.text for translation in translations]
    return SearchResult(translations, score(lines, references, options), seconds)


def _row(name: str, scores: Scores) -> str:
    values = (scores.bleu, scores.chrf, scores.ter, scores.exact_match)
    return f"{name:<12}" + "".join(f"{value:8.2f}" for value in values)
