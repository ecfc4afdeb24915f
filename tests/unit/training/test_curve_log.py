"""The learning curves that a training writes."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nmt import train
from nmt.curves import Curve, read_curves
from tests.training_runs import tiny_recipe


def _trained(folder: Path, every: int) -> Path:
    """Five steps an epoch, the last of fewer batches."""
    trainer = {"accumulate_grad_batches": 2, "max_epochs": 2, "log_every_n_steps": every}
    recipe = tiny_recipe(folder, trainer=trainer, training={"batch_size": 24}, data={"test": None})
    return train(recipe, run=folder / f"every-{every}")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("curves")
    return {every: _trained(folder, every) for every in (1, 3)}


def test_the_values_are_those_that_tensorboard_shows(runs: dict[int, Path]) -> None:
    events = EventAccumulator(str(runs[1] / "tensorboard"))
    events.Reload()
    curves = read_curves(runs[1] / "curves.jsonl")
    names = {"loss": "train/loss", "perplexity": "validation/perplexity", "bleu": "validation/bleu"}
    assert curves.keys() == names.keys()
    for name, tag in names.items():
        shown = [event.value for event in events.Scalars(tag)]
        assert [value for _, value in curves[name]] == pytest.approx(shown)
    steps = json.loads((runs[1] / "results.json").read_text(encoding="utf-8"))["train"]["steps"]
    assert [step for step, _ in curves["loss"]] == list(range(1, steps + 1))
    assert [step for step, _ in curves["bleu"]] == [steps // 2, steps]


def test_a_point_of_the_loss_is_the_mean_of_the_steps_before_it(runs: dict[int, Path]) -> None:
    each = [value for _, value in read_curves(runs[1] / "curves.jsonl")["loss"]]
    expected: Curve = [(end, sum(each[end - 3 : end]) / 3) for end in range(3, len(each) + 1, 3)]
    found = read_curves(runs[3] / "curves.jsonl")["loss"]
    assert [step for step, _ in found] == [step for step, _ in expected]
    assert [value for _, value in found] == pytest.approx([value for _, value in expected])
