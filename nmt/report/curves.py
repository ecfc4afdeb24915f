"""Curves of all runs: loss, perplexity and BLEU or ROUGE while they learned, and BLEU by the length of the source."""

from collections.abc import Callable, Mapping, Sequence

from nmt.curves import CURVES_FILE, Curve, read_curves
from nmt.report.collect import Run, SharedSet
from nmt.report.content import NOTHING, Figure, Section, Strip, Table
from nmt.report.svg import Axis, Line, Number, legend, line_chart, linear_axis, log_axis, named_axis

Spans = Mapping[str, Mapping[str, float]]
"""BLEU and number of lines by source length, as in `results.json`."""

_MOST_POINTS = 150  # of a line
_FEWEST_SENTENCES = 10  # for a point of BLEU
_CURVES: dict[str, tuple[str, Callable[[str, Sequence[Number]], Axis]]] = {
    "loss": ("training loss per target piece", linear_axis),
    "perplexity": ("validation perplexity", log_axis),
    "bleu": ("validation BLEU (greedy)", linear_axis),
    "rouge": ("validation ROUGE (greedy)", linear_axis),
}
_SCORES = {"bleu": "BLEU", "rouge": "ROUGE"}


def learning_curves(shared: SharedSet) -> Section:
    """Loss, perplexity and the score of the validations by step, and the best validation of each run."""
    curves = [read_curves(run.folder / CURVES_FILE) for run in shared.runs]
    missing = [run.name for run, found in zip(shared.runs, curves, strict=True) if not found]
    text = [f"No curves of {', '.join(missing)}: no {CURVES_FILE} in the folder."] if missing else []
    figures = [
        _learning_curve([found.get(name, []) for found in curves], shared.runs, label, axis)
        for name, (label, axis) in _CURVES.items()
        if any(name in found for found in curves)
    ]
    tables = [
        Table("Best validations", ["run", f"best {label}", "at step", "lowest perplexity", "at step"], rows)
        for name, label in _SCORES.items()
        if (rows := [[run.name, *_best(of, name)] for run, of in zip(shared.runs, curves, strict=True) if name in of])
    ]
    return Section(
        "Learning curves", text, legend([run.name for run in shared.runs]), [Strip(figures)] if figures else [], tables
    )


def _learning_curve(
    curves: Sequence[Curve], runs: Sequence[Run], label: str, axis: Callable[[str, Sequence[Number]], Axis]
) -> Figure:
    lines = [
        Line(run.name, thinned(curve), number)
        for number, (run, curve) in enumerate(zip(runs, curves, strict=True))
        if curve
    ]
    steps = [step for line in lines for step, _ in line.points]
    values = [value for line in lines for _, value in line.points]
    description = f"{label} by step, a line for each run; the table of best validations has the main numbers"
    chart = line_chart(lines, linear_axis("optimizer steps", [0, *steps]), axis("", values), description)
    return Figure(label[0].upper() + label[1:], chart)


def thinned(curve: Curve) -> list[tuple[float, float]]:
    """The means of so many points at a time that few remain."""
    size = -(-len(curve) // _MOST_POINTS)
    parts = [curve[start : start + size] for start in range(0, len(curve), size or 1)]
    return [tuple(sum(side) / len(part) for side in zip(*part, strict=True)) for part in parts]


def _best(curves: dict[str, Curve], name: str) -> list[str]:
    step, score = max(curves[name], key=lambda point: point[1])
    lowest, perplexity = min(curves["perplexity"], key=lambda point: point[1])
    return [f"{score:.2f}", f"{step:,}", f"{perplexity:.3f}", f"{lowest:,}"]


def bleu_by_length(shared: SharedSet) -> Section | None:
    """As Bahdanau et al. 2015, figure 2, and Luong et al. 2015, figure 6, from the runs' results; None of summaries."""
    names = [run.name for run in shared.runs]
    found = [run.scores["bleu_by_source_length"] for run in shared.runs if "bleu_by_source_length" in run.scores]
    if not found:
        return None
    spans = found[0]  # the same in all, for they translated the same text
    rows = [["sentences", *(f"{span['lines']}" for span in spans.values())]]
    rows += [
        [name, *(f"{of[span]['bleu']:.1f}" if span in of else NOTHING for span in spans)]
        for name, of in zip(names, found, strict=True)
    ]
    text = [
        "Corpus BLEU of the sentences of each length, as in figure 2 of Bahdanau et al. 2015 and figure 6 of Luong et "
        f"al. 2015. Drawn are lengths of at least {_FEWEST_SENTENCES} sentences."
    ]
    drawn = [span for span, of in spans.items() if of["lines"] >= _FEWEST_SENTENCES]
    strips = [Strip([_length_curve(names, found, drawn)])] if drawn else []
    table = Table("BLEU by words of the source", ["run", *spans], rows)
    return Section("BLEU by source length", text, legend(names), strips, [table])


def _length_curve(names: Sequence[str], found: Sequence[Spans], spans: Sequence[str]) -> Figure:
    lines = [
        Line(name, [(place, of[span]["bleu"]) for place, span in enumerate(spans) if span in of], number)
        for number, (name, of) in enumerate(zip(names, found, strict=True))
    ]
    values = [value for line in lines for _, value in line.points]
    description = "BLEU by the length of the source, a line for each run; the table below has the numbers"
    chart = line_chart(lines, named_axis("words of the source", spans), linear_axis("BLEU", values), description)
    return Figure("BLEU by the length of the source", chart)
