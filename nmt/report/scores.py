"""Tables of what the runs reached, beside what was published, of what they cost, and of what differs between them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from nmt.recipe.evaluation import EvaluationOptions, SummarizationEvaluation, TranslationEvaluation
from nmt.recipe.recipe import Recipe
from nmt.report.collect import Run, SharedSet
from nmt.report.content import NOTHING, Section, Table
from nmt.summaries.rouge import LABELS

_SCORES: dict[str, str] = {"bleu": "BLEU", "chrf": "chrF2", "ter": "TER", "exact_match": "exact %"}
_SCORES |= {str(kind): label for kind, label in LABELS.items()}
"""By their keys in a run's results, which hold those of translations or those of summaries."""

_SEARCHES = ("beam", "greedy")
_TEXTS = {
    "raw": "of text as a person writes it, against the untouched references",
    "tokenized": "of tokenized text, translations and references as the target side of the tokenizer is prepared",
}
_REFERENCES = {
    "best": "of several references against the best one",
    "mean": "of several references the mean",
}


def scores(shared: SharedSet) -> Section:
    """Every score of both searches, and what exactly was measured."""
    first = shared.runs[0]
    names = [name for name in _SCORES if name in first.scores["beam"]]
    rows = [_score_row(run, search, names) for run in shared.runs for search in _SEARCHES]
    text = [
        _measured(first.recipe.evaluation),
        "Lower perplexity is better; per target piece: comparable only between runs with the same tokenizer.",
        *(f"{_SCORES.get(name, 'ROUGE')}: {found}" for name, found in first.scores["beam"]["signatures"].items()),
        *(
            f"{run.name}, {search}: unknown words replaced; BLEU was {found['bleu_before_replacement']:.2f} before."
            for run in shared.runs
            for search, found in ((search, run.scores[search]) for search in _SEARCHES)
            if "bleu_before_replacement" in found
        ),
    ]
    header = ["run", "search", *(_SCORES[name] for name in names), "perplexity"]
    return Section("Scores", text, tables=[Table("Scores", header, rows)])


def _measured(options: EvaluationOptions) -> str:
    match options:
        case TranslationEvaluation():
            return f"Corpus scores by sacreBLEU, {_TEXTS[options.text]}. Higher is better, but for TER."
        case SummarizationEvaluation():
            return f"F1 by rouge-score, mean over the documents, {_REFERENCES[options.references]}. Higher is better."
        case _:
            assert_never(options)


def _score_row(run: Run, search: str, names: Sequence[str]) -> list[str]:
    found = run.scores[search]
    kind = f"beam {found['beam_size']}" if search == "beam" else "greedy"
    perplexity = f"{run.scores['perplexity']:.3f}" if search == "beam" else ""
    return [run.name, kind, *(f"{found[name]:.2f}" for name in names), perplexity]


def published(shared: SharedSet) -> Section | None:
    """The published figures that the recipes name, beside ours; None if there are none."""
    rows = [_published_row(run, figure) for run in shared.runs for figure in run.results.get("published", [])]
    if not rows:
        return None
    text = [
        "Two figures are comparable only with the same test set, tokenization, case and scorer: what the published one "
        "measured stands beside it. The band is where the recipe expects ours."
    ]
    header = ["run", "published system", "theirs", "ours", "expected", "measured", "source"]
    return Section("Beside the published figures", text, tables=[Table("Published and own figures", header, rows)])


def _published_row(run: Run, figure: Mapping[str, Any]) -> list[str]:
    own, band = figure.get("own"), figure.get("band")
    expected = f"{band[0]:g} to {band[1]:g}" if band else NOTHING
    verdict = f": {figure['verdict']}" if figure.get("verdict") else ""
    measured = "; ".join(filter(None, [figure["metric"], figure.get("differs")]))
    ours = NOTHING if own is None else f"{own:.2f}"
    return [run.name, figure["system"], f"{figure['value']:.2f}", ours, expected + verdict, measured, figure["source"]]


def cost(shared: SharedSet) -> Section:
    """Size and time."""
    text = [
        "Time is that of the training with its validations, on whatever machine it was; target tokens a second count "
        "real pieces over the training steps alone. Memory is the most that the training had: on a GPU of its tensors, "
        "elsewhere of the whole process."
    ]
    header = ["run", "parameters", "epochs", "steps", "seconds", "target tokens/s", "memory, GiB"]
    return Section("Size and time", text, tables=[Table("Size and time", header, [_cost_row(r) for r in shared.runs])])


def _cost_row(run: Run) -> list[str]:
    train = run.results["train"]
    counts = (run.results["parameters"], train["epochs"], train["steps"], train["seconds"])
    speed, peak = f"{train['target_tokens_per_second']:,.0f}", train.get("peak_memory_bytes")  # older runs have none
    return [run.name, *(f"{count:,.0f}" for count in counts), speed, f"{peak / 2**30:.2f}" if peak else NOTHING]


def differences(shared: SharedSet) -> Section | None:
    """The fields of the recipes that are not equal in all runs, the longer side downwards; None for a single run."""
    if len(shared.runs) == 1:
        return None
    recipes = [recipe_fields(run.recipe) for run in shared.runs]
    names = dict.fromkeys(name for fields in recipes for name in fields)
    differing = [name for name in names if len({fields.get(name, NOTHING) for fields in recipes}) > 1]
    if not differing:
        return Section("What differs", ["The recipes are the same in every field."])
    rows = [["run", *differing]]
    rows += [
        [run.name, *(fields.get(name, NOTHING) for name in differing)]
        for run, fields in zip(shared.runs, recipes, strict=True)
    ]
    if len(differing) > len(shared.runs):
        rows = [list(column) for column in zip(*rows, strict=True)]
        rows[0][0] = "field"
    return Section("What differs", tables=[Table("Fields of the recipes that are not equal", rows[0], rows[1:])])


def recipe_fields(recipe: Recipe) -> dict[str, str]:
    """Every field that changes what is trained or measured, by its dotted key, as the recipe's file would say it."""
    return _fields(recipe.model_dump(mode="json", exclude={"published"}))


def _fields(section: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in section.items():
        if isinstance(value, Mapping):
            found |= _fields(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value if isinstance(value, str) else json.dumps(value)
    return found
