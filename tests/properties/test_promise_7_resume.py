"""Promise 7: a resumed run is the uninterrupted run, bit for bit on CPU."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt import train
from nmt.errors import UserError
from nmt.training.checkpoint import WholeCheckpoints, load_checkpoint
from nmt.training.interrupt import StopOnRequest
from tests.training_runs import last_weights, nmt_command, run_nmt, tiny_recipe, weights_of

pytestmark = pytest.mark.bare

RANDOM: dict[str, dict[str, Any]] = {
    "data": {"subword_sampling": 0.3},
    "model": {"dropout": 0.3},
}
SCHEDULES: list[dict[str, Any]] = [
    {"type": "inverse_sqrt", "warmup_steps": 5},
    {"type": "linear", "warmup_steps": 5},
    {"type": "plateau", "factor": 0.5, "patience": 0},
    {"type": "halving", "start": 1},
]
SCHEDULED = {"type": "scheduled_sampling", "decay": {"type": "inverse_sigmoid", "speed": 5.0}}
RISK = {"type": "minimum_risk", "samples": 3}
PHASES = {"phases": [{"epochs": 1, "cut_source": 4, "coverage": False}, {"epochs": 1, "coverage": False}]}
COVERED = {**RANDOM, "model": {"dropout": 0.3, "attention": {"type": "additive", "size": 8, "coverage": "sum"}}}
ADADELTA = {"optimizer": {"type": "adadelta"}, "learning_rate": 1.0, "sort_window": 2, "shuffle": "once"}


def assert_same_state(one: Path, other: Path) -> None:
    """Weights, optimizer, schedule, counters: the whole checkpoints but for paths and times."""
    first, second = (torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (one, other))
    for name in ("state_dict", "optimizer_states", "lr_schedulers", "loops", "epoch", "global_step"):
        assert_equal(first[name], second[name], name)
    assert first["nmt"]["plateau"] == second["nmt"]["plateau"]
    assert first["nmt"]["progress"]["target_tokens"] == second["nmt"]["progress"]["target_tokens"]


def assert_equal(one: Any, other: Any, where: str) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_equal(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_equal(*pair, f"{where}.{index}")
    else:
        assert one == other, where


@pytest.mark.parametrize(
    ("training", "steps", "accumulate"),
    [
        ({"schedule": SCHEDULES[0]}, 13, 1),
        ({"schedule": SCHEDULES[1]}, 10, 2),
        ({"schedule": SCHEDULES[2]}, 13, 1),
        ({"schedule": SCHEDULES[1]}, 4, 1),
        ({"schedule": SCHEDULES[2]}, 14, 1),
        ({"schedule": SCHEDULES[1]}, 28, 1),
        ({"schedule": SCHEDULES[3], **ADADELTA}, 13, 1),
        ({"schedule": SCHEDULES[3], "optimizer": {"type": "adagrad"}}, 14, 1),
        ({"objective": SCHEDULED}, 10, 2),
        ({"objective": RISK}, 4, 1),
        (PHASES, 3, 1),
        (PHASES, 10, 1),
        (PHASES, 18, 1),
    ],
    ids=[
        "mid-epoch",
        "mid-accumulation",
        "plateau",
        "first epoch",
        "before a validation",
        "last step",
        "Bahdanau",
        "epochs",
        "scheduled sampling",
        "minimum risk",
        "early phase",
        "between phases",
        "last phase",
    ],
)
def test_a_run_stopped_in_the_middle_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, training: dict[str, Any], steps: int, accumulate: int
) -> None:
    limit = 5 if training == PHASES else None
    recipe = tiny_recipe(
        tmp_path,
        **(COVERED if training == PHASES else RANDOM),
        training={"patience": 9, "average": 2, **training},
        trainer={"max_epochs": 4, "accumulate_grad_batches": accumulate, "limit_train_batches": limit},
    )
    whole = train(recipe, run=tmp_path / "whole")
    original = StopOnRequest.on_train_batch_end

    def press_ctrl_c(self: StopOnRequest, trainer: Any, *rest: Any) -> None:
        self.requested |= trainer.fit_loop.epoch_loop.total_batch_idx + 1 == steps
        original(self, trainer, *rest)

    monkeypatch.setattr(StopOnRequest, "on_train_batch_end", press_ctrl_c)
    with pytest.raises(UserError, match=r"stopped after step \d+, saved; to go on: nmt train .* --resume"):
        train(recipe, run=tmp_path / "stopped")
    monkeypatch.setattr(StopOnRequest, "on_train_batch_end", original)
    stopped = train(recipe, run=tmp_path / "stopped", resume=True)
    assert_same_state(whole, stopped)
    assert_equal(weights_of(whole), weights_of(stopped), "model")


def test_a_run_that_ended_with_an_epoch_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    sections = {**RANDOM, "training": {"schedule": SCHEDULES[2], "patience": 9}}
    whole = train(tiny_recipe(tmp_path, **sections, trainer={"max_epochs": 4}), run=tmp_path / "whole")
    recipe = tiny_recipe(tmp_path, **sections, trainer={"max_epochs": 2})
    resumed = train(recipe, run=tmp_path / "resumed")
    assert not torch.equal(
        last_weights(whole)["model.output.words.bias"], last_weights(resumed)["model.output.words.bias"]
    )
    (resumed / "results.json").unlink()
    resumed.rename(tmp_path / "moved")
    with pytest.raises(UserError, match=r"this run was begun in \S+/resumed; move it back"):
        train(recipe, ["trainer.max_epochs=4"], run=tmp_path / "moved", resume=True)
    (tmp_path / "moved").rename(resumed)
    train(recipe, ["trainer.max_epochs=4"], run=resumed, resume=True)
    assert_same_state(whole, resumed)


def test_a_resumed_run_knows_the_memory_that_it_had_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny_recipe(tmp_path, trainer={"max_epochs": 1})
    with monkeypatch.context() as large:
        large.setattr("nmt.training.task.peak_memory", lambda _: 2**45)
        run = train(recipe, run=tmp_path / "run")
    (run / "results.json").unlink()
    train(recipe, ["trainer.max_epochs=2"], run=run, resume=True)
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert results["train"]["peak_memory_bytes"] == 2**45


def test_a_run_goes_on_with_the_text_it_began_with(tmp_path: Path) -> None:
    for side in ("de", "en"):
        (tmp_path / f"all.{side}").write_text("".join(f"{side} {number % 40}\n" for number in range(200)))
    recipe = tiny_recipe(
        tmp_path,
        data={"path": str(tmp_path / "all"), "train": "train[:150]", "validation": "train[150:]", "test": None},
        tokenizer={"vocab_size": 20},
    )
    run = train(recipe, run=tmp_path / "run")
    (run / "results.json").unlink()
    with (tmp_path / "all.en").open("a") as file:
        file.write("one more\n")
    (tmp_path / "all.de").write_text((tmp_path / "all.de").read_text() + "eine mehr\n")
    with pytest.raises(UserError, match="text has changed since the run was begun"):
        train(recipe, ["trainer.max_epochs=3"], run=run, resume=True)


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"state_dict": {}, "step": 1}, path)

    def full(_: object, place: Path) -> None:
        place.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        WholeCheckpoints().save_checkpoint({"state_dict": {}, "step": 2}, path)
    assert load_checkpoint(path)["step"] == 1
    assert [found.name for found in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_damaged_checkpoint_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"weights": torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000] if content is None else content)
    with pytest.raises(UserError, match=r"last\.ckpt: damaged, or no checkpoint$"):
        load_checkpoint(path)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path, processes: int) -> None:
    devices = [f"trainer.devices={processes}", "trainer.strategy=ddp"] if processes > 1 else []
    recipe = tiny_recipe(tmp_path, trainer={"max_epochs": 500}, data={"test": None, "validation": "validation[:1]"})
    process = subprocess.Popen(
        nmt_command("train", recipe, *devices, "--run", tmp_path / "run"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
    )
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    try:
        for _ in range(600):
            if last.exists():
                break
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # a terminal tells all processes
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert re.search(r"stopped after step \d+, saved; to go on: nmt train \S+/recipe.yaml --run \S+ --resume", errors)
    stopped = torch.load(last, weights_only=True)
    epochs = f"trainer.max_epochs={stopped['epoch'] + 2}"
    ended = run_nmt("train", recipe, *devices, epochs, "--run", tmp_path / "run", "--resume", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))
    assert results["train"]["steps"] > stopped["global_step"]
