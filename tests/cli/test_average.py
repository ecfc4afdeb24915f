"""`nmt average` through the real command: the mean of the best is what a training itself takes."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from nmt import train
from tests.bare import bare
from tests.training_runs import run_installed_nmt, run_nmt, tiny_recipe, weights_of


def test_the_mean_of_the_best_checkpoints_is_the_runs_own_model(tmp_path: Path) -> None:
    with bare():
        run = train(tiny_recipe(tmp_path, training={"average": 2}), run=tmp_path / "run")
    done = run_installed_nmt("average", run, "--best", "2", "-o", tmp_path / "best", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"to translate: nmt translate --model {tmp_path / 'best'} < input.txt\n")
    found, own = load_file(tmp_path / "best" / "model.safetensors"), weights_of(run)
    assert found.keys() == own.keys()
    assert all(torch.equal(found[name], own[name]) for name in own)
    checkpoints = sorted((run / "checkpoints").glob("epoch*.ckpt"))
    done = run_nmt("average", *checkpoints, "-o", "named", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    named = load_file(tmp_path / "named" / "model.safetensors")
    assert all(torch.equal(named[name], own[name]) for name in own)
    done = run_nmt("average", *checkpoints, "-o", "named", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "nmt: named: is there already; remove it, or give another name\n")
    done = run_nmt("average", *checkpoints, "--last", "2", "-o", "other", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "nmt: --best and --last choose among the checkpoints of one run; give its folder alone\n"
    done = run_nmt("average", run, "--last", "9", "-o", "other", cwd=tmp_path)
    assert done.returncode == 2
    assert "different checkpoints, not 9" in done.stderr
    assert not (tmp_path / "other").exists()
