"""The main job on the embedded corpus, to its known score: minutes, so not in CI."""

import json
import shutil
from pathlib import Path

import pytest

from nmt import train

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_numbers_recipe_gets_95_percent_of_the_test_lines_exactly_right(tmp_path: Path) -> None:
    for folder in ("recipes", "tokenizers"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.model"))
    run = train(tmp_path / "recipes" / "numbers-de-en.yaml", run=tmp_path / "run")
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert results["test"]["greedy"]["exact_match"] >= 95
    assert results["test"]["beam"]["exact_match"] >= 95
