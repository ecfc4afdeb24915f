"""The command itself: help, version, recipes, and one line for bad usage."""

import json
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nmt.cli import _stopping_within_imports, main
from tests.fixtures_text import make_bundle, saved
from tests.training_runs import nmt_command, run_nmt

ROOT = Path(__file__).parents[2]
COMMANDS = ("train", "translate", "summarize", "evaluate", "score", "align", "lexicon", "export", "average", "recipe")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("nmt 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["transalte"], "invalid choice: 'transalte'"),
        (["train"], "the following arguments are required: RECIPE;"),
        (["train", "x.yaml", "--epochs", "3"], "unrecognized arguments: --epochs; see nmt train --help"),
        (["translate", "extra"], "translate reads standard input: nmt translate < extra"),
        (["summarize", "extra"], "summarize reads standard input: nmt summarize < extra"),
        (["summarize", "--min-length", "-1"], "argument --min-length: -1 is not a whole number from 0 up"),
        (["translate", "--beam", "0"], "argument --beam: 0 is not a whole number from 1 up"),
        (["translate", "--beam", "two"], "argument --beam: two is not a whole number from 1 up"),
        (["translate", "--length-penalty", "nan"], "argument --length-penalty: nan is not a number from 0 up"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert len(shown.err.splitlines()) == 1


def test_what_a_command_needs_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = run_nmt("translate", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("nmt: no finished run in runs/; train one with nmt train")
    done = run_nmt("translate", "--alignments", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "nmt: --alignments needs --format jsonl\n")
    done = run_nmt("translate", "--model", "here", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("nmt: here: no model here; expected the folder of a run or of a bundle")
    done = run_nmt("train", "recipe.yaml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "nmt: recipe.yaml: No such file or directory\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    model = saved(make_bundle(), tmp_path / "model")
    recipe = ROOT / "recipes" / "numbers-de-en.yaml"
    translate = nmt_command("translate", "--model", model, "--beam", "1")
    train = nmt_command("train", recipe, "--run", tmp_path / "run")
    for command in translate, train, nmt_command("recipe", "show", recipe):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(command, input=b"eins\nzwei\n", stdout=full, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 2
        assert done.stderr == b"nmt: standard output cannot be written: No space left on device\n"
    assert not (tmp_path / "run").exists()
    done = subprocess.run(
        f"{shlex.join(translate)} >&-", shell=True, input=b"eins\n", stderr=subprocess.PIPE, check=False
    )
    assert (done.returncode, done.stderr) == (2, b"nmt: standard output is closed; there is nowhere to write to\n")


def test_ctrl_c_within_an_import_is_the_end(tmp_path: Path) -> None:
    """Such as numpy's, which would swallow it."""
    (tmp_path / "swallows.py").write_text(
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\nexcept KeyboardInterrupt:\n    pass\n"
    )
    program = "import signal, nmt.cli\nsignal.signal(signal.SIGINT, nmt.cli._stop)\nimport swallows\nprint('went on')\n"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"nmt: stopped\n")


def test_ctrl_c_is_left_alone_where_it_is_to_be_ignored_or_is_another_threads() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which the tests themselves may run with
    try:
        with _stopping_within_imports():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with _stopping_within_imports():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    codes: list[int] = []
    recipe = str(ROOT / "recipes" / "numbers-de-en.yaml")
    thread = threading.Thread(target=lambda: codes.append(main(["recipe", "check", recipe])))
    thread.start()
    thread.join()
    assert codes == [0]


def test_options_are_not_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["translate", "--mod", "here"])
    assert "unrecognized arguments: --mod;" in capsys.readouterr().err


def test_overrides_may_stand_on_both_sides_of_the_options(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recipe = str(ROOT / "recipes" / "numbers-de-en.yaml")
    wrong = ["train", recipe, "model.layers=0", "--run", str(tmp_path / "run"), "training.seed=-1"]
    assert main(wrong) == 2
    shown = capsys.readouterr().err.splitlines()
    assert shown == [
        "nmt: command line: model.layers=0: model.layers: expected at least 1, found the number 0",
        "nmt: command line: training.seed=-1: training.seed: expected at least 0, found the number -1",
    ]


def test_recipes_are_shown_checked_and_described(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recipes = sorted(map(str, (ROOT / "recipes").rglob("*.yaml")))
    assert main(["recipe", "check", *recipes]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{recipe}: ok" for recipe in recipes]
    assert main(["recipe", "show", recipes[0], "model.hidden_size=64"]) == 0
    shown = tmp_path / "shown.yaml"
    shown.write_text(capsys.readouterr().out, encoding="utf-8")
    assert main(["recipe", "check", str(shown), "data.path=other"]) == 0
    assert main(["recipe", "check", "model.layers=2"]) == 2
    assert "name at least one recipe" in capsys.readouterr().err
    assert main(["recipe", "check", recipes[0], "nowhere.yaml"]) == 2
    assert "nowhere.yaml: No such file" in capsys.readouterr().err
    assert main(["recipe", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"].keys() >= {"data", "model", "training"}
