"""Finished runs as they lie on disk, those of the same test set together."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.errors import UserError
from nmt.recipe.recipe import Recipe
from nmt.recipe_file import load_recipe
from nmt.text import read_lines

_TIME = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(_\d+)?")  # what `nmt.runs.new_run` names a folder


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        name: what it is called in the report: its folder, as far as it differs from the others'.
        folder: where it lies.
        recipe: what was trained.
        results: its `results.json`.
    """

    name: str
    folder: Path
    recipe: Recipe
    results: dict[str, Any]

    @property
    def split(self) -> str:
        """What the report compares: `test`, or `validation` if the recipe names no test set."""
        return "test" if "test" in self.results else "validation"

    @property
    def scores(self) -> dict[str, Any]:
        """Those of that set."""
        scores: dict[str, Any] = self.results[self.split]
        return scores

    def lines(self, kind: str) -> list[str]:
        """The set's `reference`, or what was found of it by `greedy` or `beam`.

        Raises:
            UserError: if they are not there.
        """
        return list(read_lines(self.folder / "hypotheses" / f"{self.split}.{kind}.txt"))

    def references(self) -> list[tuple[str, ...]]:
        """What each line of the set was scored against: a translation, or one or several summaries.

        Raises:
            UserError: if it is not there.
        """
        several = self.folder / "hypotheses" / f"{self.split}.references.jsonl"
        if several.exists():
            return [tuple(json.loads(line)) for line in read_lines(several)]
        return [(line,) for line in self.lines("reference")]


@dataclass(frozen=True)
class SharedSet:
    """Runs that can be compared: they have searched the same text, and were scored in the same way.

    Attributes:
        runs: the runs, in the order in which they were given.
        references: what each line of the set was scored against.
    """

    runs: Sequence[Run]
    references: Sequence[Sequence[str]]


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Reads finished runs.

    Raises:
        UserError: if one is given twice, has not finished or cannot be read.
    """
    places = [folder.resolve() for folder in folders]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise UserError(f"{folders[number]}: this run was named already")
    return [_read(folder, name) for folder, name in zip(folders, _names(places), strict=True)]


def _names(places: Sequence[Path]) -> list[str]:
    """The folders as far as they differ, without the time that stands last if there is one run of each recipe."""
    untimed = [place.parent if _TIME.fullmatch(place.name) else place for place in places]
    distinct = untimed if len(set(untimed)) == len(untimed) else places
    around = Path(os.path.commonpath([place.parent for place in distinct]))
    return [str(place.relative_to(around)) for place in distinct]


def _read(folder: Path, name: str) -> Run:
    path = folder / "results.json"
    if not path.is_file():
        raise UserError(f"{folder}: no finished run, for there is no {path.name}; nmt train writes it last")
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        results = None
    if not isinstance(results, dict) or not {"train", "hashes"} <= results.keys():  # those of an export have neither
        raise UserError(f"{path}: damaged, or not the results of a run")
    return Run(name, folder, load_recipe(folder / "recipe.yaml").recipe, results)


def comparable(runs: Sequence[Run]) -> list[SharedSet]:
    """The runs by their test set and what was scored of it, in the order in which these first come.

    Raises:
        UserError: if a run has not as many translations as references.
    """
    found: dict[tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]], list[Run]] = {}
    for run in runs:
        references = run.references()
        if (lines := len(run.lines("beam"))) != len(references):
            raise UserError(f"{run.folder}: {lines} translations of a set of {len(references)} lines")
        key = run.results["hashes"][run.split], tuple(run.scores["beam"]["signatures"].values()), tuple(references)
        found.setdefault(key, []).append(run)
    return [SharedSet(members, references) for (_, _, references), members in found.items()]
