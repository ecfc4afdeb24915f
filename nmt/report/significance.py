"""How sure the scores are, and their differences from a chosen run: sacreBLEU's own paired bootstrap test.

Koehn 2004; the same numbers as `sacrebleu REFERENCE -i CHOSEN OTHER ... -m bleu chrf --paired-bs`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from nmt.metrics import sacrebleu_metrics
from nmt.recipe.evaluation import TranslationEvaluation, of_translations
from nmt.report.collect import Run, SharedSet
from nmt.report.content import NOTHING, Section, Table

LEVEL = 0.025
"""Below this p a difference is more than chance: of two equal systems either is better so in 5 % of cases.

SacreBLEU's p (the share of samples with |d| - mean |d| > |difference|) is one-sided in effect.
"""

_METRICS = {"bleu": "BLEU", "chrf": "chrF2"}  # TER takes minutes; the names of the results are sacreBLEU's

_INTERVALS = (
    "How much the scores of the beam's translations would vary with another set of sentences of this kind: mean and "
    "95 % interval of sets drawn with replacement (bootstrap, by sacreBLEU). Training again with another seed varies "
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
    return paired_bootstrap(systems, shared.references, of_translations(chosen.recipe.evaluation))


def paired_bootstrap(
    systems: Sequence[Sequence[str]],
    references: Sequence[str],
    options: TranslationEvaluation,
    metrics: Collection[str] = ("BLEU", "chrF2"),
) -> Bootstrap:
    """Tests the others against the first.

    Args:
        systems: the translations of each.
        references: one for each line.
        options: how they are scored.
        metrics: which scores, by their names.
    """
    from sacrebleu.significance import PairedTest

    chosen = {name: metric for name, metric in sacrebleu_metrics(options).items() if _METRICS.get(name) in metrics}
    named: list[tuple[str, Sequence[str]]] = [(str(number), list(lines)) for number, lines in enumerate(systems)]
    signatures, found = PairedTest(named, chosen, [list(references)], test_type="bs")()
    return Bootstrap(
        {name: [_estimate(result) for result in found[name]] for name in metrics},
        {name: str(signatures[name]) for name in metrics},
    )


def _estimate(result: Any) -> Estimate:
    return Estimate(result.score, float(result.mean), float(result.ci), result.p_value)


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
