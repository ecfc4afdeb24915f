"""In which fields a recipe differs from the one it extends, and a run from its recipe."""

from functools import cache
from pathlib import Path

import yaml

from nmt.recipe.recipe import Recipe
from nmt.recipe_file import load_recipe
from nmt.report.scores import recipe_fields

_OWN_TO_A_RUN = ("data.path", "data.source", "data.target", "data.workers", "training.seed", "trainer.devices")
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
    old, new = recipe_fields(before), recipe_fields(now)
    return {name: value for name, value in new.items() if old.get(name, "null") != value and name not in _OWN_TO_A_RUN}
