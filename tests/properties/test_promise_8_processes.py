"""Promise 8: N processes see each sentence once per epoch, take equal steps, and train like one process."""

import json
import math
import re
from pathlib import Path

import pytest
import torch

from tests.training_runs import last_weights, run_installed_nmt, run_nmt, tiny_recipe

EPOCHS = 2


PER_SENTENCE = {
    "normalization": "sentences",
    "optimizer": {"type": "sgd"},
    "learning_rate": 0.1,
}  # whose steps have its size
PHASES = {"phases": [{"epochs": 1, "cut_source": 20, "coverage": False}], "coverage_loss": 1.0}
COVERED = {"attention": {"type": "additive", "size": 8, "coverage": "sum"}, "pointer": True}


@pytest.mark.parametrize(
    ("accumulate", "training", "model"), [(1, {}, {}), (2, PER_SENTENCE | PHASES, COVERED)], ids=["plain", "phases"]
)
def test_two_processes_train_like_one(
    tmp_path: Path, accumulate: int, training: dict[str, object], model: dict[str, object]
) -> None:
    # 193 pairs in batches of 32 leave one for the last, of which the second process has no share; 25 validation lines
    # cannot be shared out evenly either.
    trainer = {"max_epochs": EPOCHS, "accumulate_grad_batches": accumulate}
    data = {"train": "train[:193]"}
    recipe = tiny_recipe(tmp_path, data=data, model=model, trainer=trainer, training=training)
    one = run_nmt("train", recipe, "--run", "one", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    two = run_installed_nmt("train", recipe, "trainer.devices=2", "trainer.strategy=ddp", "--run", "two", cwd=tmp_path)
    assert two.returncode == 0, two.stderr

    first, second = last_weights(tmp_path / "one"), last_weights(tmp_path / "two")
    for name in first:
        torch.testing.assert_close(second[name], first[name], rtol=1e-4, atol=1e-5)
    results = [json.loads((tmp_path / run / "results.json").read_text(encoding="utf-8")) for run in ("one", "two")]
    assert results[0]["train"]["steps"] == results[1]["train"]["steps"] == math.ceil(7 / accumulate) * EPOCHS
    # Each pair once per epoch: the same number of target tokens, counted over both processes.
    states = [
        torch.load(tmp_path / run / "checkpoints" / "last.ckpt", weights_only=True)["nmt"] for run in ("one", "two")
    ]
    assert states[0]["progress"]["target_tokens"] == states[1]["progress"]["target_tokens"]
    shown = [re.findall(r"validation: perplexity ([\d.]+)", output.stdout) for output in (one, two)]
    assert len(shown[0]) == EPOCHS
    assert shown[0] == shown[1]


def test_two_processes_draw_translations_of_their_own(tmp_path: Path) -> None:
    """What they draw differs with their number, but not what they count; here, too, one has no share of a batch."""
    objective = {"type": "minimum_risk", "samples": 2}
    recipe = tiny_recipe(
        tmp_path,
        data={"train": "train[:65]", "test": None},
        training={"objective": objective},
        trainer={"max_epochs": 1},
    )
    two = run_installed_nmt("train", recipe, "trainer.devices=2", "trainer.strategy=ddp", "--run", "two", cwd=tmp_path)
    assert two.returncode == 0, two.stderr
    one = run_nmt("train", recipe, "--run", "one", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    states = [
        torch.load(tmp_path / run / "checkpoints" / "last.ckpt", weights_only=True)["nmt"] for run in ("one", "two")
    ]
    assert states[0]["progress"]["target_tokens"] == states[1]["progress"]["target_tokens"]
