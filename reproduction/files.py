"""The result files in docs/reproduction: one for each finished run, and a few of more than one run."""

import json
from pathlib import Path
from typing import Any

from nmt.errors import UserError
from nmt.text import write_text

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reproduction"
PROTOCOL = "bentrevett.json"
REMARKS = "remarks.yaml"

Result = dict[str, Any]
"""What is known of a run, see `reproduction.collect`."""


def recipe_name(recipe: Path) -> str:
    """A recipe of the repository, by its path in it.

    Raises:
        UserError: if it lies elsewhere.
    """
    path = recipe.resolve()
    if not path.is_relative_to(ROOT):
        raise UserError(f"{recipe}: is no recipe of this repository ({ROOT}); name the one that the run is of")
    return str(path.relative_to(ROOT))


def name_of(result: Result) -> str:
    """Row, direction and seed, as the file is called."""
    return f"{result['row']}.{result['source']}-{result['target']}.seed{result['seed']}"


def read_results(folder: Path = FOLDER) -> list[Result]:
    """Those of all runs, in the order of their names."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.seed*.json"))]


def read_json(path: Path) -> Any:
    """The content of a file, or None if it has not been written yet."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write_json(path: Path, content: Any) -> None:
    """Writes a file, whole or not at all."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
