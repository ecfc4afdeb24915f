"""From a finished run to a small file of numbers, without any text of the corpus and without translations."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_versions
from nmt.errors import UserError
from nmt.recipe_file import load_recipe
from nmt.report.collect import Run
from reproduction.differences import changed, fields
from reproduction.files import ROOT, Result, recipe_name

_COSTS = ("seconds", "epochs", "steps", "target_tokens_per_second", "peak_memory_bytes")


def describe(run: Run, recipe: Path, row: str, commit: str) -> Result:
    """What is known without the model.

    Args:
        run: finished.
        recipe: the file of its row.
        row: what the row is called.
        commit: of the code that trained it.

    Raises:
        UserError: if there is no such recipe or commit, or the code that measures is none that was committed.
    """
    results, train, data = run.results, run.results["train"], run.recipe.data
    return {
        "row": row,
        "recipe": recipe_name(recipe),
        "changed": changed(load_recipe(recipe).recipe, run.recipe),
        "fields": fields(run.recipe),
        "source": data.source,
        "target": data.target,
        "seed": run.recipe.training.seed,
        "parameters": results["parameters"],
        **{name: train[name] for name in _COSTS if name in train},
        "commit": full_name(commit),
        "measured_at": this_commit(),
        "versions": results["versions"],
        "hashes": results["hashes"],
        **{name: results[name] for name in ("validation", "test") if name in results},
    }


def full_name(commit: str) -> str:
    """The twelve letters of a commit that is named in some way.

    Raises:
        UserError: if there is no such commit.
    """
    command = ["git", "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        raise UserError(f"--commit {commit}: this repository has no such commit; name the one that trained the run")
    return found.stdout[:12]


def this_commit() -> str:
    """The commit of this code.

    Raises:
        UserError: if it was changed since.
    """
    commit = describe_versions()["commit"]
    if commit.endswith("+"):
        raise UserError(
            "files of nmt or reproduction are not committed; commit them, so that the numbers can be had again"
        )
    return commit


def read_set(named: str) -> tuple[str, Mapping[str, Any]]:
    """Another test set, `NAME=FILE`, with the scores that `nmt evaluate --json` has printed.

    Raises:
        UserError: if the file holds none.
    """
    name, _, path = named.partition("=")
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return name, {key: found[key] for key in ("beam", "greedy", "perplexity", "bleu_by_source_length", "hashes")}
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"--set {named}: give NAME=FILE, the file as nmt evaluate --json prints it") from None


def with_sets(result: Result, named: Sequence[str]) -> Result:
    """The result with other test sets.

    Raises:
        UserError: if one cannot be read, or was translated by another model, as far as its tokenizers say.
    """
    sets = dict(map(read_set, named))
    for name, scores in sets.items():
        if scores["hashes"]["tokenizers"] != result["hashes"]["tokenizers"]:
            raise UserError(f"--set {name}: these are scores of another model; its tokenizers are not those of the run")
    return {**result, "sets": sets} if sets else result
