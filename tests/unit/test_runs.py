"""Where runs lie: which one is newest, which can be resumed."""

import os
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.runs import new_run, newest_finished_run, unfinished_run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(name: str, file: str, age: int) -> Path:
    path = Path("runs") / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return Path("runs") / name


def test_the_run_that_finished_last_is_the_newest_whatever_its_recipe_and_name() -> None:
    for name, age in (("a/2", 5), ("b/1", 3)):
        make(name, "results.json", age)
        make(name, "model/model.safetensors", age)
    newest = Path("runs/b/1")
    make("a/9", "checkpoints/last.ckpt", age=0)
    make("a/small", "results.json", age=1)  # an exported bundle is no run
    make("a/small", "model.safetensors", age=1)
    assert newest_finished_run() == newest


def test_without_a_finished_run_the_message_says_what_to_run() -> None:
    make("a/1", "checkpoints/last.ckpt", age=0)
    with pytest.raises(UserError, match=r"no finished run in runs/; train one with nmt train .*--model"):
        newest_finished_run()


def test_the_newest_unfinished_run_of_the_recipe_is_resumed() -> None:
    make("a/1", "checkpoints/last.ckpt", age=9)
    wanted = make("a/2", "checkpoints/last.ckpt", age=5)
    make("a/3", "checkpoints/last.ckpt", age=1)
    make("a/3", "results.json", age=1)
    make("b/4", "checkpoints/last.ckpt", age=0)
    assert unfinished_run("a") == wanted
    with pytest.raises(UserError, match="no unfinished run of c"):
        unfinished_run("c")


def test_new_runs_never_share_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda _: "2026-01-01_12-00-00")
    assert [new_run("a").name for _ in range(3)] == [
        "2026-01-01_12-00-00",
        "2026-01-01_12-00-00_2",
        "2026-01-01_12-00-00_3",
    ]
