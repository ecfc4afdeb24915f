"""Finished runs without a training, for the tests of what reads them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nmt.evaluation.translations import bleu_by_length
from nmt.metrics import score
from nmt.recipe.evaluation import of_translations
from nmt.recipe_file import dump_recipe
from tests.fixtures_text import make_recipe, write_lines

_DEEDS = ("runs in the park", "sleeps in the house & garden", "reads a book in the bus <2>", "plays in the street")
REFERENCES = [f"the {noun} {deed}" for noun in ("dog", "cat", "man", "woman") for deed in _DEEDS]


def finished_run(
    folder: Path,
    hypotheses: Sequence[str],
    references: Sequence[str] = REFERENCES,
    split: str = "test",
    text: str = "one",
    results: dict[str, Any] | None = None,
    **sections: dict[str, Any],
) -> Path:
    """Writes the folder of a run that has translated a set, without its model.

    Args:
        folder: of the run.
        hypotheses: of both searches.
        references: what they are scored against; they are the sources, too.
        split: `test` or `validation`.
        text: stands for the hash of the set.
        results: what else is in `results.json`.
        sections: fields of the recipe.
    """
    recipe = make_recipe(**sections)
    options = of_translations(recipe.evaluation)
    scores = score(hypotheses, references, options).as_dict()
    found = {
        split: {
            "beam": {**scores, "beam_size": 5},
            "greedy": scores,
            "perplexity": 4.5,
            "bleu_by_source_length": bleu_by_length(references, hypotheses, references, options),
        },
        "train": {
            "seconds": 75.4,
            "epochs": 2,
            "steps": 1250,
            "target_tokens_per_second": 4321.0,
            "peak_memory_bytes": 3 * 2**29,
        },
        "parameters": 123456,
        "hashes": {split: text},
        **(results or {}),
    }
    for kind, lines in (("reference", references), ("beam", hypotheses), ("greedy", hypotheses)):
        write_lines(folder / "hypotheses" / f"{split}.{kind}.txt", list(lines))
    (folder / "recipe.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
    (folder / "results.json").write_text(json.dumps(found), encoding="utf-8")
    return folder


def worse(every: int) -> list[str]:
    """The references with a wrong word in every so many lines."""
    return [line.replace("in", "at", 1) if at % every == 0 else line for at, line in enumerate(REFERENCES)]
