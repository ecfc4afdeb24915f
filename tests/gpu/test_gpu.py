"""Training in bfloat16 and search in float32 on a GPU: they run, and give what a CPU gives in text."""

import json
from pathlib import Path

import pytest
import torch

from nmt import Translator, train
from tests.training_runs import tiny_recipe

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


def test_training_in_bfloat16_and_translating_on_a_gpu(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, trainer={"accelerator": "gpu", "devices": 1, "max_epochs": 3})
    run = train(recipe, run=tmp_path / "run")
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert 1 < results["test"]["perplexity"] < 120
    lines = ["einundzwanzig", "", "Viertel vor drei"]
    assert Translator.load(run, "cuda")(lines) == Translator.load(run, "cpu")(lines)
