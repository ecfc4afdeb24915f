"""Small trainings for tests: a tiny recipe on the embedded corpus, and the real command in a process of its own."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory
from typing import Any

import torch
import yaml
from safetensors.torch import load_file

TINY: dict[str, Any] = {
    "data": {
        "path": "builtin:numbers",
        "source": "de",
        "target": "en",
        "train": "train[:200]",
        "validation": "validation[:25]",
        "test": "test[:15]",
        "workers": 1,
    },
    "tokenizer": {"type": "unigram", "vocab_size": 120, "byte_fallback": False},
    "model": {"embedding_size": 16, "hidden_size": 24, "dropout": 0.0},
    "training": {"batch_size": 32, "learning_rate": 0.005},
    "trainer": {"max_epochs": 2, "accelerator": "cpu"},
    "search": {"max_length_ratio": 1.0, "max_length_extra": 5},
    "evaluation": {"samples": 0},
}


def tiny_recipe(folder: Path, **sections: dict[str, Any]) -> Path:
    """Writes the tiny recipe with some fields changed."""
    data = {name: {**fields, **sections.get(name, {})} for name, fields in TINY.items()}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def nmt_command(*arguments: str | Path) -> list[str]:
    """The command line `nmt` of this environment."""
    return [str(Path(sys.executable).parent / "nmt"), *map(str, arguments)]


def run_installed_nmt(*arguments: str | Path, cwd: Path) -> CompletedProcess[str]:
    """Runs the command to its end as a person does. It takes seconds to import what it needs."""
    return subprocess.run(nmt_command(*arguments), cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(
    ["torch", "pytorch_lightning", "datasets", "sentencepiece", "sacrebleu", "sacremoses", "pydantic.main"]
)


def run_nmt(*arguments: str | Path, cwd: Path) -> CompletedProcess[str]:
    """Runs the command to its end, in a fork of a process that has imported other people's packages, but none of ours.

    Each command is also run once by `run_installed_nmt`.
    """
    command = nmt_command(*arguments)
    with TemporaryDirectory() as folder:
        outputs = [Path(folder) / name for name in ("stdout", "stderr")]
        process = _FORKING.Process(target=_main, args=(command, cwd, outputs))
        process.start()
        process.join(300)
        process.kill()
        process.join()
        found = CompletedProcess(command, process.exitcode or 0, *(path.read_text("utf-8") for path in outputs))
        process.close()
    return found


def _main(command: list[str], cwd: Path, outputs: list[Path]) -> None:
    os.chdir(cwd)
    for stream, path in zip((sys.stdout, sys.stderr), outputs, strict=True):
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    from nmt.cli import main

    sys.argv = command
    sys.exit(main())


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    """The weights of a finished run's bundle."""
    return load_file(run / "model" / "model.safetensors")


def last_weights(run: Path) -> dict[str, torch.Tensor]:
    """The network in a run's last checkpoint."""
    state: dict[str, torch.Tensor] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return state
