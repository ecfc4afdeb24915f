"""Whether one run is better than another, or gains more on long sentences than on short ones, from counts of each line.

The counts are numbers, so they stand in the result files, and every comparison can be had again without any text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from sacrebleu.metrics.bleu import BLEU

from nmt.metrics import sacrebleu_metrics
from nmt.recipe.evaluation import TranslationEvaluation
from nmt.report.significance import p_value

LONG = 13
"""Words from which on a source counts as long: a quarter to a third of Multi30k's test set (27.7 % of the German
sources, 36.6 % of the English ones)."""

SAMPLES = 1000
SEED = 12345
"""Those of sacreBLEU."""

_ORDERS = 4

Counts = Int[np.ndarray, "lines 7"]
"""Of each line of a test set: the n-grams (n = 1 to 4) that translation and reference share, the tokens of the
translation and of the reference, and the source's words between white space."""


@dataclass(frozen=True)
class Resampled:
    """BLEU of some lines, and of `SAMPLES` samples of as many, drawn from them with replacement.

    Attributes:
        bleu: of the lines themselves.
        samples: of each sample; those of two runs are of the same lines.
    """

    bleu: float
    samples: Float[np.ndarray, " samples"]


@dataclass(frozen=True)
class Difference:
    """Two values and about how often chance alone would make a difference as large in its direction: sacreBLEU's p."""

    better: float
    worse: float
    p: float


def count(
    translations: Sequence[str], references: Sequence[str], sources: Sequence[str], options: TranslationEvaluation
) -> Counts:
    """Counts the lines of a test set, tokenized as the options say."""
    metric = sacrebleu_metrics(options)["bleu"]
    scores = [
        metric.corpus_score([line], [[reference]]) for line, reference in zip(translations, references, strict=True)
    ]
    rows = [
        [*score.counts, score.sys_len, score.ref_len, len(source.split())]
        for score, source in zip(scores, sources, strict=True)
    ]
    return np.array(rows, dtype=np.int64)


def written(counts: Counts) -> list[str]:
    """As a result file has them: a text for each line."""
    return [" ".join(map(str, row)) for row in counts.tolist()]


def read(lines: Sequence[str]) -> Counts:
    """What `written` has written."""
    return np.array([line.split() for line in lines], dtype=np.int64)


def is_long(counts: Counts) -> Bool[np.ndarray, " lines"]:
    """The lines whose source has `LONG` words or more."""
    long: Bool[np.ndarray, " lines"] = counts[:, -1] >= LONG
    return long


def resample(counts: Counts, seed: int = SEED) -> Resampled:
    """Draws the samples, by the same seed the same lines for every run."""
    statistics = _statistics(counts)
    chosen = np.random.default_rng(seed).choice(len(counts), size=(SAMPLES, len(counts)), replace=True)
    return Resampled(_bleu(statistics), np.array([_bleu(statistics[lines]) for lines in chosen]))


def _statistics(counts: Counts) -> Int[np.ndarray, "lines 10"]:
    """Shared n-grams, all n-grams of the translation, and the lengths of both."""
    shared, lengths = counts[:, :_ORDERS], counts[:, _ORDERS:-1]
    totals = np.maximum(lengths[:, :1] - np.arange(_ORDERS), 0)
    return np.concatenate([shared, totals, lengths], axis=1)


def _bleu(statistics: Int[np.ndarray, "lines 10"]) -> float:
    *ngrams, translation, reference = statistics.sum(axis=0).tolist()
    return float(BLEU.compute_bleu(ngrams[:_ORDERS], ngrams[_ORDERS:], translation, reference, "exp").score)


def difference(better: Resampled, worse: Resampled) -> Difference:
    """SacreBLEU's paired bootstrap (Koehn 2004): the numbers of `sacrebleu REFERENCE -i WORSE BETTER --paired-bs`."""
    return Difference(better.bleu, worse.bleu, p_value(better.samples - worse.samples, better.bleu - worse.bleu))


def difference_of_gains(better: tuple[Resampled, Resampled], worse: tuple[Resampled, Resampled]) -> Difference:
    """The same test of two gains: that of the first run on one part of the lines, and that on another part."""
    gain, other = (one.bleu - two.bleu for one, two in zip(better, worse, strict=True))
    samples, others = (one.samples - two.samples for one, two in zip(better, worse, strict=True))
    return Difference(gain, other, p_value(samples - others, gain - other))
