"""What every evaluation begins with: all lines are searched greedily and with a beam, and given targets are scored."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nmt.translation import Translation
from nmt.translator import Translator


@dataclass(frozen=True)
class Searched:
    """What one kind of search has found.

    Attributes:
        translations: the best one of each line.
        seconds: the time that it took to find them.
    """

    translations: list[Translation]
    seconds: float


@dataclass(frozen=True)
class Validation:
    """What is searched greedily in each validation of a training, and the number by which it is judged.

    Attributes:
        name: of the number, in logs and in `training.monitor`.
        label: of the number, for people.
        sources: the lines.
        references: one that is shown for each.
        score: the number, higher is better, from what was found for the lines.
        found: what that is, for people.
    """

    name: str
    label: str
    sources: Sequence[str]
    references: Sequence[str]
    score: Callable[[Sequence[Translation]], float]
    found: str = "translation"


def search(translator: Translator, sources: Sequence[str]) -> Searched:
    """Takes the best one of each line, and the time."""
    start = time.perf_counter()
    translations = [found[0] for found in translator.translate(sources)]
    return Searched(translations, time.perf_counter() - start)


def changed(translator: Translator, **search: Any) -> Translator:
    """The same with other options; it counts for itself the lines that it cuts."""
    options = translator.options.model_copy(update=search)
    return Translator(translator.model, translator.tokenizers, options)


def cuts(translations: Sequence[Translation]) -> dict[str, int]:
    """How many sources were not read to their ends, for a result file; nothing if all were."""
    count = sum(found.unread > 0 for found in translations)
    return {"cut_sources": count} if count else {}


def told_cuts(translations: Sequence[Translation]) -> list[str]:
    """The same as lines of a table."""
    return [f"{count:,} sources cut to what the model reads" for count in cuts(translations).values()]


def perplexity(scored: Sequence[tuple[float, int]]) -> float:
    """Exponential of the negative log-likelihood per token, from pairs of log-probability and number of tokens."""
    total = sum(log_prob for log_prob, _ in scored)
    tokens = sum(count for _, count in scored)
    return math.exp(min(-total / tokens, 700.0)) if tokens else math.nan
