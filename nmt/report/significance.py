"""How sure the scores are, and their differences from a chosen run: a paired bootstrap test (Koehn 2004).

Of translations it is sacreBLEU's own, with the same numbers as `sacrebleu REFERENCE -i CHOSEN OTHER ... -m bleu chrf
--paired-bs`; of summaries the same test of ROUGE, whose samples are rouge-score's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
from jaxtyping import Float

from nmt.metrics import sacrebleu_metrics
from nmt.recipe.evaluation import EvaluationOptions, SummarizationEvaluation, TranslationEvaluation
from nmt.report.collect import Run, SharedSet
from nmt.report.content import NOTHING, Section, Table
from nmt.summaries.rouge import LABELS, MONITORED, by_document, resampled, signature

LEVEL = 0.025
"""Below this p a difference is more than chance: of two equal systems either is better so in 5 % of cases.

SacreBLEU's p (the share of samples with |d| - mean |d| > |difference|) is one-sided in effect.
"""

_METRICS = {"bleu": "BLEU", "chrf": "chrF2"}  # TER takes minutes; the names of the results are sacreBLEU's
_F1 = 2  # after precision and recall

_INTERVALS = (
    "How much the scores of the beam search would vary with another set of lines of this kind: mean and 95 % interval "
    "of sets drawn with replacement (bootstrap). Training again with another seed varies "
    "them, too, which no interval here knows of."
)


@dataclass(frozen=True)
class Estimate:
    """One score of one run.

    Attributes:
        score: of the whole set.
        mean: of the resampled sets.
        margin: half the width of the interval around the mean that holds 95 % of them.
        p_value: of the difference from the chosen run; None for that run itself.
    """

    score: float
    mean: float
    margin: float
    p_value: float | None


@dataclass(frozen=True)
class Bootstrap:
    """What the test found.

    Attributes:
        estimates: of each metric, by its name: of the chosen run first, then of the others in their order.
        signatures: of each metric, number of samples and seed included.
    """

    estimates: dict[str, list[Estimate]]
    signatures: dict[str, str]


def bootstrap(shared: SharedSet, chosen: Run) -> Bootstrap:
    """Tests the others against the chosen run."""
    systems = [run.lines("beam") for run in _order(shared, chosen)]
    return paired_bootstrap(systems, shared.references, chosen.recipe.evaluation)


def paired_bootstrap(
    systems: Sequence[Sequence[str]], references: Sequence[Sequence[str]], options: EvaluationOptions
) -> Bootstrap:
    """Tests the others against the first.

    Args:
        systems: what each has found.
        references: one or several for each line.
        options: how it is scored.
    """
    match options:
        case TranslationEvaluation():
            return _of_translations(systems, references, options)
        case SummarizationEvaluation():
            return _of_summaries(systems, references, options)
        case _:
            assert_never(options)


def _of_translations(
    systems: Sequence[Sequence[str]], references: Sequence[Sequence[str]], options: TranslationEvaluation
) -> Bootstrap:
    """SacreBLEU's own test."""
    from sacrebleu.significance import PairedTest

    chosen = {name: metric for name, metric in sacrebleu_metrics(options).items() if name in _METRICS}
    named: list[tuple[str, Sequence[str]]] = [(str(number), list(lines)) for number, lines in enumerate(systems)]
    first = [several[0] for several in references]
    signatures, found = PairedTest(named, chosen, [first], test_type="bs")()
    names = _METRICS.values()
    return Bootstrap(
        {name: [_estimate(result) for result in found[name]] for name in names},
        {name: str(signatures[name]) for name in names},
    )


def _estimate(result: Any) -> Estimate:
    return Estimate(result.score, float(result.mean), float(result.ci), result.p_value)


def _of_summaries(
    systems: Sequence[Sequence[str]], references: Sequence[Sequence[str]], options: SummarizationEvaluation
) -> Bootstrap:
    """The same test of ROUGE's F1: every system has the same samples of the documents."""
    values = [by_document(lines, references, options, MONITORED) for lines in systems]
    scores = [found.mean(axis=0)[:, _F1] for found in values]
    samples = [resampled(found)[:, :, _F1] for found in values]
    estimates = {
        LABELS[kind]: [
            _compared(float(score[place]), drawn[:, place], float(scores[0][place]), samples[0][:, place], number > 0)
            for number, (score, drawn) in enumerate(zip(scores, samples, strict=True))
        ]
        for place, kind in enumerate(MONITORED)
    }
    return Bootstrap(estimates, {"ROUGE": signature(references, options)})


def _compared(
    score: float,
    samples: Float[np.ndarray, " samples"],
    chosen: float,
    chosen_samples: Float[np.ndarray, " samples"],
    is_other: bool,
) -> Estimate:
    low, high = np.percentile(samples, (2.5, 97.5))
    p = p_value(samples - chosen_samples, score - chosen) if is_other else None
    return Estimate(score, float(samples.mean()), float(high - low) / 2, p)


def p_value(samples: Float[np.ndarray, " samples"], value: float) -> float:
    """The share of samples whose size is above the mean size by more than the value's: sacreBLEU's definition.

    Where the difference is no small part of its spread, the samples lie on one side and their mean size is its own. So
    the share is that of the samples beyond twice the difference: one tail, not two.
    """
    sizes = np.abs(samples)
    return (int((sizes - sizes.mean() > abs(value)).sum()) + 1) / (len(samples) + 1)


def _order(shared: SharedSet, chosen: Run) -> list[Run]:
    return [chosen, *(run for run in shared.runs if run is not chosen)]


def significance(shared: SharedSet, chosen: Run) -> Section:
    """The estimates as a table, and which differences are more than chance."""
    found = bootstrap(shared, chosen)
    estimates = list(found.estimates.values())
    rows = [
        [run.name, *(cell for of_metric in estimates for cell in _cells(of_metric[number], of_metric[0]))]
        for number, run in enumerate(_order(shared, chosen))
    ]
    header = ["run", *(column for name in found.estimates for column in (name, "mean ± 95 %", "p"))]
    test = (
        f"p: about how often chance alone would make a difference from {chosen.name} as large as this one in its "
        "direction (paired bootstrap, Koehn 2004; sacreBLEU's p, which is one-sided in effect). "
        f"▲ better, ▼ worse than {chosen.name} at p < {LEVEL:g}, by chance together in about one of twenty runs that "
        "are as good; = no difference shown."
    )
    signatures = [f"{name}: {signature}" for name, signature in found.signatures.items()]
    compares = len(rows) > 1
    text = [_INTERVALS, *([test] if compares else []), *signatures]
    caption = f"Against {chosen.name}" if compares else "Intervals"
    return Section("Significance", text, tables=[Table(caption, header, rows)])


def _cells(estimate: Estimate, chosen: Estimate) -> Sequence[str]:
    interval = f"{estimate.mean:.2f} ± {estimate.margin:.2f}"
    if estimate.p_value is None:
        return f"{estimate.score:.2f}", interval, NOTHING
    if estimate.score == chosen.score:  # of which sacreBLEU says, by design, that chance has not made it
        return f"{estimate.score:.2f}", interval, "="
    sign = "=" if estimate.p_value >= LEVEL else "▲" if estimate.score > chosen.score else "▼"
    return f"{estimate.score:.2f}", interval, f"{sign} {estimate.p_value:.4f}"
