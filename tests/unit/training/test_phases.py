"""Early phases of a training: short texts first, coverage at the end."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt import train
from nmt.average import average, best_checkpoints
from nmt.bundle import load_bundle
from nmt.curves import read_curves
from nmt.data.batch import Batch
from nmt.errors import UserError
from nmt.recipe.training import TrainingOptions
from nmt.training.loss import sequence_loss
from nmt.training.task import TranslationTask
from tests.training_runs import last_weights, tiny_recipe, weights_of

COVERED = "decoder.attention.covered.weight"
SECTIONS: dict[str, dict[str, Any]] = {
    "data": {"train": "train[:96]", "test": None, "cut_source": 6},
    "model": {"pointer": True, "attention": {"type": "additive", "size": 8, "coverage": "sum"}},
    "training": {
        "coverage_loss": 1.0,
        "phases": [
            {"epochs": 1, "cut_source": 3, "cut_target": 4, "coverage": False},
            {"epochs": 1, "coverage": False},
        ],
        "average": 2,
    },
    "trainer": {"max_epochs": 4, "limit_train_batches": 2, "log_every_n_steps": 1},
}


def test_each_epoch_belongs_to_its_phase() -> None:
    options = TrainingOptions.model_validate({"phases": [{"epochs": 2}, {"epochs": 1, "cut_source": 5}]})
    first, second = options.phases
    assert [options.phase(epoch) for epoch in range(5)] == [first, first, second, None, None]
    assert options.early_epochs == 3
    assert second.describe() == "1 epoch, sources cut to 5"


def test_what_a_phase_says_holds_in_its_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[int, list[tuple[int, int, bool, bool]]] = {}
    covered: dict[int, torch.Tensor] = {}
    original = TranslationTask.training_step

    def noted(self: TranslationTask, batch: Batch, batch_idx: int) -> torch.Tensor:
        loss = original(self, batch, batch_idx)
        state = self.model.state_dict()
        covered.setdefault(self.current_epoch, state[COVERED].clone())
        more = bool(loss > sequence_loss(self.model, batch).nll + 1e-2)
        longest = int(batch.src_lengths.max()) - 1, batch.tgt_out.shape[1] - 1
        seen.setdefault(self.current_epoch, []).append((*longest, bool(state["decoder.attention.on"]), more))
        return loss

    monkeypatch.setattr(TranslationTask, "training_step", noted)
    run = train(tiny_recipe(tmp_path, **SECTIONS), run=tmp_path / "run")
    assert [len(steps) for steps in seen.values()] == [2] * 4  # of the three batches that the text has
    sizes = {epoch: {(source, on, loss) for source, _, on, loss in steps} for epoch, steps in seen.items()}
    assert sizes == {0: {(3, False, False)}, 1: {(6, False, False)}, 2: {(6, True, True)}, 3: {(6, True, True)}}
    assert {target for _, target, *_ in seen[0]} == {4}
    assert min(target for _, target, *_ in seen[1]) > 4
    assert torch.equal(covered[0], covered[2])  # it rests, and then learns
    assert not torch.equal(covered[2], covered[3])
    assert json.loads((run / "results.json").read_text())["train"]["steps"] == 8
    kept = sorted(path.name[:7] for path in (run / "checkpoints").glob("epoch*"))
    assert kept == ["epoch02", "epoch03"]
    log = (run / "log.txt").read_text(encoding="utf-8")
    assert "phase 1: 1 epoch, sources cut to 3, targets cut to 4, without coverage\n" in log
    assert "CoverageAttention has no fast way, so that the decoder takes its readable steps" in log
    curves = read_curves(run / "curves.jsonl")
    assert [step for step, _ in curves["coverage_loss"]] == [step for step, _ in curves["p_gen"]] == [2, 4, 6, 8]
    assert all(0 < value < 1 for _, value in curves["p_gen"] + curves["coverage_loss"])
    assert weights_of(run)["decoder.attention.on"].item() is True
    assert load_bundle(run).model.state_dict()["decoder.attention.on"].item() is True


def test_a_training_must_be_longer_than_its_early_phases(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"training\.phases: they take 4 steps; the training's 4 must be more"):
        train(tiny_recipe(tmp_path, **SECTIONS), ["trainer.max_steps=4"], run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_patience_and_the_best_checkpoints_wait_for_the_last_phase(tmp_path: Path) -> None:
    """Of a training that learns nothing: patience would end it in its second epoch."""
    training = {"learning_rate": 1e-12, "monitor": "perplexity", "patience": 1, "phases": [{"epochs": 2}]}
    run = train(tiny_recipe(tmp_path, training=training, trainer={"max_epochs": 6}), run=tmp_path / "run")
    assert json.loads((run / "results.json").read_text())["train"]["epochs"] == 4
    assert [path.name[:7] for path in (run / "checkpoints").glob("epoch*")] == ["epoch02"]


def test_without_a_validation_in_the_last_phase_there_is_no_best_checkpoint(tmp_path: Path) -> None:
    trainer = {"max_epochs": 3, "check_val_every_n_epoch": 2, "limit_train_batches": 1}
    run = train(tiny_recipe(tmp_path, training={"phases": [{"epochs": 2}]}, trainer=trainer), run=tmp_path / "run")
    log = (run / "log.txt").read_text(encoding="utf-8")
    assert "the model: the last weights, for there was no validation in the last phase\n" in log
    assert len(read_curves(run / "curves.jsonl")["perplexity"]) == 1


def test_a_mean_is_of_models_of_the_same_phase(tmp_path: Path) -> None:
    run = train(tiny_recipe(tmp_path, **SECTIONS), ["trainer.max_epochs=3"], run=tmp_path / "run")
    last = run / "checkpoints" / "last.ckpt"
    state = torch.load(last, weights_only=True)
    state["state_dict"]["model.decoder.attention.on"] = torch.tensor(False)
    torch.save(state, last.with_name("early.ckpt"))
    with pytest.raises(UserError, match=r"early\.ckpt: it is of another phase of the training than"):
        average([last, last.with_name("early.ckpt")])
    assert average([last, *best_checkpoints(run, 1)]).model.state_dict()["decoder.attention.on"]
    assert last_weights(run)["model.decoder.attention.on"]
