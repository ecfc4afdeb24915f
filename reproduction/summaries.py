"""What docs/summarization.md says of trained summarizers: ROUGE beside extracts, names and numbers, and the cost."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from nmt.evaluation.summaries import COLUMNS, MEANING, cells
from nmt.recipe.evaluation import SummarizationEvaluation
from nmt.recipe_file import load_recipe
from nmt.report.collect import Run
from nmt.report.significance import p_value
from nmt.summaries.rouge import KINDS, LABELS, MONITORED, SAMPLES, by_document, resampled
from reproduction.differences import difference, trained_with
from reproduction.files import FOLDER, ROOT, Result
from reproduction.tables import described, markdown

PAGE = ROOT / "docs" / "summarization.md"
SUMMARIES = FOLDER / "summaries"
"""Where the result files of summarizers lie."""

_BLOCK = re.compile(r"(<!-- measured -->\n).*?(<!-- end -->)", re.DOTALL)
_ORDER = ("samsum-attention", "samsum-pointer", "samsum", "dialogsum")


def summarizes(run: Run) -> bool:
    """Whether a run is one of a summarizer."""
    return isinstance(run.recipe.evaluation, SummarizationEvaluation)


def by_documents(run: Run) -> dict[str, list[str]]:
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L of each document of the test set, from which runs are compared.

    Raises:
        UserError: if the run's summaries or references are not there.
    """
    options = run.recipe.evaluation
    assert isinstance(options, SummarizationEvaluation)
    scores = by_document(run.lines("beam"), run.references(), options, MONITORED)[:, :, 2]
    return {"f1": [" ".join(f"{value:.3f}" for value in of_document) for of_document in scores]}


def with_measured(page: str, results: Sequence[Result]) -> str:
    """The page with what the results say between its two marks."""
    found = "\n".join(part for part in _parts(results) if part)
    return _BLOCK.sub(lambda marks: f"{marks[1]}\n{found}\n{marks[2]}", page)


def _parts(results: Sequence[Result]) -> Iterator[str]:
    if not results:
        yield "Not yet trained.\n"
    for corpus, runs in _by_corpus(results).items():
        yield f"### {corpus}\n"
        yield _rouge_table(runs)
        yield _made_of_table(runs)
        yield _cost_table(runs)
        yield _notes(runs)


def _by_corpus(results: Sequence[Result]) -> dict[str, list[Result]]:
    """By the dataset's name, those in front first from which others differ."""
    found: dict[str, list[Result]] = {}
    for run in sorted(results, key=lambda run: (_place(run["row"]), run["seed"])):
        found.setdefault(str(load_recipe(ROOT / run["recipe"]).recipe.data.path), []).append(run)
    return found


def _place(row: str) -> int:
    return _ORDER.index(row) if row in _ORDER else len(_ORDER)


def _rouge_table(runs: Sequence[Result]) -> str:
    rows = [["", "differs from", "in these fields", *LABELS.values(), "95 % of ROUGE-1", *_p_headings()]]
    for run in runs:
        base, fields = difference(ROOT / run["recipe"])
        about = [f"`{base}`" if base else "", described(fields)]
        tests = _against_base(run, base, runs)
        rows.append([_name(run), *about, *_scores(run["test"]["beam"]), *tests])
        rows.append([f"{_name(run)}, greedy", "", "", *_scores(run["test"]["greedy"]), *[""] * len(MONITORED)])
    for name, scores in runs[0]["test"]["extracts"].items():
        rows.append([name, "", "", *_scores(scores), *[""] * len(MONITORED)])
    return markdown(rows) + (
        f"\n\nROUGE: F1, stemmed. p: as in the [report](report.md), of the difference from the row that it differs "
        f"from, with the same seed; {SAMPLES:,} samples.\n"
    )


def _p_headings() -> list[str]:
    return [f"p, {LABELS[kind]}" for kind in MONITORED]


def _scores(found: Mapping[str, Any]) -> list[str]:
    low, high = found["intervals"]["rouge1"]["f1"]
    return [*(f"{found[kind]:.2f}" for kind in KINDS), f"{low:.2f} to {high:.2f}"]


def _against_base(run: Result, base: str, runs: Sequence[Result]) -> list[str]:
    """The p of each kind of ROUGE against the row that a row differs from; nothing if that has no such run."""
    same = [other for other in runs if (other["row"], other["seed"]) == (base, run["seed"])]
    if not same:
        return [""] * len(MONITORED)
    ours, theirs = (_read(each["f1"]) for each in (run, same[0]))
    samples = resampled(ours) - resampled(theirs)
    differences = (ours - theirs).mean(axis=0)
    return [f"{p_value(samples[:, kind], float(value)):.3f}" for kind, value in enumerate(differences)]


def _read(lines: Sequence[str]) -> Float[np.ndarray, "documents kinds"]:
    return np.array([[float(value) for value in line.split()] for line in lines])


def _made_of_table(runs: Sequence[Result]) -> str:
    """As the report has it, of the beam search."""
    width = len(LABELS)
    rows = [["", *COLUMNS[width:]], *([name, *cells(found)[width:]] for name, found in _measured(runs))]
    return f"What they are made of; {MEANING}; names and numbers that are not right are made up:\n\n{markdown(rows)}\n"


def _measured(runs: Sequence[Result]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from ((_name(run), run["test"]["beam"]) for run in runs)
    yield from runs[0]["test"]["extracts"].items()
    yield "reference", runs[0]["test"]["reference"]


def _cost_table(runs: Sequence[Result]) -> str:
    rows = [["", "parameters", "epochs", "steps", "minutes", "target tokens/s", "memory, GiB", "commit"]]
    for run in runs:
        counts = (f"{run[name]:,}" for name in ("parameters", "epochs", "steps"))
        speed, memory = f"{run['target_tokens_per_second']:,.0f}", run["peak_memory_bytes"] / 2**30
        rows.append([_name(run), *counts, f"{run['seconds'] / 60:.0f}", speed, f"{memory:.2f}", f"`{run['commit']}`"])
    return (
        "What the training cost, on whatever machine it was: minutes with validations, target tokens by the time of "
        f"the training steps alone, and the most memory that its process had:\n\n{markdown(rows)}\n"
    )


def _notes(runs: Sequence[Result]) -> str:
    changed = [f"- {_name(run)} was trained with {described(other)}." for run in runs if (other := trained_with(run))]
    signatures = dict.fromkeys(run["test"]["beam"]["signatures"]["rouge"] for run in runs)
    return "\n".join([*changed, *(f"- ROUGE: `{signature}`" for signature in signatures), ""])


def _name(run: Result) -> str:
    return f"`{run['row']}`, seed {run['seed']}"
