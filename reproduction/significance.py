"""Whether one set of translations is better than another, or gains more on long sentences than on short ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sacrebleu.metrics.bleu import BLEU

from nmt.metrics import sacrebleu_metrics
from nmt.recipe.evaluation import EvaluationOptions
from nmt.report.significance import paired_bootstrap

LONG = 13
"""Words from which on a source counts as long: those of a quarter of Multi30k's test set."""

_SAMPLES = 1000
_ORDERS = 4

Statistics = Int[np.ndarray, "lines 10"]
"""Of each line: the hypothesis' n-grams that the reference has, those it has in all (n = 1 to 4), and both lengths."""


def difference(
    one: Sequence[str], other: Sequence[str], references: Sequence[str], options: EvaluationOptions
) -> dict[str, Any]:
    """BLEU of both, and how often chance alone would make a difference as large (sacreBLEU's paired bootstrap)."""
    found = paired_bootstrap([other, one], references, options, ["BLEU"])
    worse, better = found.estimates["BLEU"]
    return {"bleu": [better.score, worse.score], "p": better.p_value, "signature": found.signatures["BLEU"]}


def gain_by_length(
    one: Sequence[str],
    other: Sequence[str],
    references: Sequence[str],
    sources: Sequence[str],
    options: EvaluationOptions,
) -> dict[str, Any]:
    """What one gains over the other, in BLEU, on long and on short sources, and whether chance explains the difference.

    The test is that of `difference`, of the difference of two gains: sentences are drawn with replacement from the long
    ones and from the short ones, and p is the share of samples whose value lies at least as far from their mean as the
    value itself from none (Riezler and Maxwell 2005, as sacreBLEU has it). Nothing of a set without one of the two.
    """
    lines = list(zip(one, other, references, strict=True))
    is_long = [len(source.split()) >= LONG for source in sources]
    long, short = (
        [line for line, chosen in zip(lines, is_long, strict=True) if chosen is part] for part in (True, False)
    )
    if not long or not short:
        return {}
    random = np.random.default_rng(1)
    (gain_long, samples_long), (gain_short, samples_short) = (_gains(part, options, random) for part in (long, short))
    values = samples_long - samples_short
    extreme = int((abs(values - values.mean()) >= abs(gain_long - gain_short)).sum())
    return {"gain": [gain_long, gain_short], "gain_p": (extreme + 1) / (_SAMPLES + 1), "long": len(long)}


def _gains(
    lines: Sequence[tuple[str, str, str]], options: EvaluationOptions, random: np.random.Generator
) -> tuple[float, Float[np.ndarray, " samples"]]:
    """The gain of the first over the second against the third; on the lines, and on samples of as many."""
    ones, others, references = zip(*lines, strict=True)
    one, other = (_statistics(translations, references, options) for translations in (ones, others))
    chosen = random.integers(len(lines), size=(_SAMPLES, len(lines)))
    samples = np.array([_bleu(one[sample]) - _bleu(other[sample]) for sample in chosen])
    return _bleu(one) - _bleu(other), samples


def _statistics(lines: Sequence[str], references: Sequence[str], options: EvaluationOptions) -> Statistics:
    metric = sacrebleu_metrics(options)["bleu"]
    scores = [metric.corpus_score([line], [[reference]]) for line, reference in zip(lines, references, strict=True)]
    rows = [[*score.counts, *score.totals, score.sys_len, score.ref_len] for score in scores]
    return np.array(rows, dtype=np.int64)


def _bleu(statistics: Statistics) -> float:
    *counts, hypotheses, references = map(int, statistics.sum(axis=0))
    return float(BLEU.compute_bleu(counts[:_ORDERS], counts[_ORDERS:], hypotheses, references, "exp").score)
