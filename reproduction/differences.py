"""In which fields a recipe differs from the one it extends, and a run from its recipe."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

from nmt.recipe.data import DataOptions
from nmt.recipe.recipe import Recipe
from nmt.recipe_file import load_recipe
from nmt.report.scores import recipe_fields
from reproduction.files import ROOT, Result

_OWN_TO_A_RUN = ("data.source", "data.target", "data.workers", "training.seed", "trainer.devices")
_PATHS = (
    "data.path",
    "training.start_from",
    "training.source_embeddings",
    "training.target_embeddings",
    "search.dictionary",
)
_LEFT_ASIDE = (*_OWN_TO_A_RUN, *_PATHS)
"""Fields that may be otherwise than in the recipe of the row: they stand elsewhere in the file, or mean nothing."""


@cache
def difference(path: Path) -> tuple[str, dict[str, str]]:
    """The name of the recipe that a recipe extends, and what the fields are here that differ; empty without one."""
    base = yaml.safe_load(path.read_text(encoding="utf-8")).get("extends")
    if base is None:
        return "", {}
    parent = path.parent / str(base)
    return parent.stem, changed(load_recipe(parent).recipe, load_recipe(path).recipe)


def changed(before: Recipe, now: Recipe) -> dict[str, str]:
    """The fields that are not equal, as they are now; none that is only there before, or says nothing now."""
    return _unlike(fields(before), fields(now))


def fields(recipe: Recipe) -> dict[str, str]:
    """What a run was trained with, by dotted keys: numbers and names, no paths."""
    return {name: value for name, value in recipe_fields(recipe).items() if name not in _LEFT_ASIDE}


def trained_with(result: Result) -> dict[str, str]:
    """In which fields a run differs from its row's recipe as it stands today, as far as the result file says.

    A field that the file does not know, as there was none then, had what is the default today. Files of earlier
    versions have the differences from the recipe of their day alone.

    Raises:
        UserError: if there is no such recipe any more.
    """
    if "fields" not in result:
        return dict(result["changed"])
    today = _fields_today(result["recipe"])
    defaults = {name: value for name, value in _defaults().items() if name in today}
    return _unlike(today, defaults | result["fields"])


@cache
def _defaults() -> dict[str, str]:
    return fields(Recipe(data=DataOptions(path="")))


@cache
def _fields_today(recipe: str) -> dict[str, str]:
    return fields(load_recipe(ROOT / recipe).recipe)


def _unlike(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in now.items() if before.get(name, "null") != value}
