"""Training in bfloat16 and search in float32 on a GPU: they run, and give what a CPU gives in text."""

import json
from pathlib import Path

import pytest
import torch

from nmt import Translator, train
from tests.helpers import ATTENTIONS, MECHANISMS, POINTERS
from tests.training_runs import tiny_recipe

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


def test_training_in_bfloat16_and_translating_on_a_gpu(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, trainer={"accelerator": "gpu", "devices": 1, "max_epochs": 3})
    run = train(recipe, run=tmp_path / "run")
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert 1 < results["test"]["perplexity"] < 120
    lines = ["einundzwanzig", "", "Viertel vor drei"]
    assert Translator.load(run, "cuda")(lines) == Translator.load(run, "cpu")(lines)


@pytest.mark.parametrize(
    "objective",
    [
        {"type": "scheduled_sampling", "decay": {"type": "exponential", "base": 0.5}},
        {"type": "minimum_risk", "samples": 3},
    ],
)
def test_what_objectives_draw_is_drawn_on_a_gpu(tmp_path: Path, objective: dict[str, object]) -> None:
    options = {"accelerator": "gpu", "devices": 1, "max_epochs": 1}
    run = train(tiny_recipe(tmp_path, trainer=options, training={"objective": objective}), run=tmp_path / "run")
    assert json.loads((run / "results.json").read_text(encoding="utf-8"))["train"]["steps"] == 7


@pytest.mark.parametrize("name", [*ATTENTIONS, *MECHANISMS, *POINTERS])
def test_every_mechanism_trains_in_bfloat16_and_translates_on_a_gpu(tmp_path: Path, name: str) -> None:
    options = {"accelerator": "gpu", "devices": 1, "precision": "bf16-mixed", "max_steps": 1}
    model = (ATTENTIONS | MECHANISMS | POINTERS)[name]
    run = train(tiny_recipe(tmp_path, trainer=options, model=model), run=tmp_path / "run")
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert results["train"]["steps"] == 1
    assert 1 < results["test"]["perplexity"] < 200
    lines = ["einundzwanzig", "", "Viertel vor drei"]
    assert Translator.load(run, "cuda")(lines) == Translator.load(run, "cpu")(lines)
