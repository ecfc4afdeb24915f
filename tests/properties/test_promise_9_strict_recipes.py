"""Promise 9: a typo is an error with file, key and what was meant, all at once, before anything heavy is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.training_runs import run_installed_nmt

WRONG = """\
data: {path: corpus, source: no, target: en}
model: {hiden_size: 256}
training: {learning_rate: 1e-3}
"""
HEAVY = ("torch", "datasets", "pytorch_lightning", "sentencepiece", "sacrebleu", "numpy")


@pytest.mark.parametrize("command", [["train"], ["recipe", "check"], ["recipe", "show"]], ids=" ".join)
def test_every_command_tells_all_mistakes_and_leaves_nothing_behind(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "my.yaml").write_text(WRONG, encoding="utf-8")
    done = run_installed_nmt(*command, "my.yaml", "training.batchsize=3", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "nmt: my.yaml:1: data.source: YAML 1.1 reads no as true or false, YAML 1.2 as text; "
        "did you mean false or 'no'?",
        "nmt: my.yaml:3: training.learning_rate: YAML 1.1 reads 1e-3 as text, YAML 1.2 as a number; "
        "did you mean 1.0e-3?",
        "nmt: my.yaml:2: model.hiden_size: unknown key; did you mean model.hidden_size?",
        "nmt: command line: training.batchsize=3: training.batchsize: unknown key; did you mean training.batch_size?",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["my.yaml"]


@pytest.mark.parametrize("arguments", [["train", "my.yaml"], ["recipe", "check", "my.yaml"], ["translate"], ["--help"]])
def test_nothing_heavy_is_imported_to_answer(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "my.yaml").write_text(WRONG, encoding="utf-8")
    program = (
        "import sys, nmt.cli\n"
        "try:\n    nmt.cli.main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        f"print('imported', [name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.endswith("imported []\n")
