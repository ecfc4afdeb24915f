"""Small trainings for tests: a tiny recipe on the embedded corpus, and the real command in a subprocess."""

import os
import subprocess
import sys
from pathlib import Path
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
    "evaluation": {"samples": 1},
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


def run_nmt(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end."""
    return subprocess.run(
        nmt_command(*arguments),
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    """The weights of a finished run's bundle."""
    return load_file(run / "model" / "model.safetensors")


def last_weights(run: Path) -> dict[str, torch.Tensor]:
    """The network in a run's last checkpoint."""
    state: dict[str, torch.Tensor] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return state
