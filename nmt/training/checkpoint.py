"""Checkpoints on disk: written whole or not at all, read without executing anything."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from nmt.errors import UserError
from nmt.text import scratch_path


class WholeCheckpoints(TorchCheckpointIO):
    """Writes beside the file and renames; Lightning's own would copy from the system's temporary folder."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Replaces the file at `path`."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = scratch_path(path)
        try:
            torch.save(checkpoint, scratch)
            scratch.replace(path)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU.

    Raises:
        UserError: if it is missing or damaged.
    """
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        checkpoint["state_dict"]  # what other files have not
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, TypeError, IndexError) as error:
        reason = error.strerror if isinstance(error, OSError) else "damaged, or no checkpoint"
        raise UserError(f"{path}: {reason}") from None
    return checkpoint


def network_weights(path: Path) -> dict[str, torch.Tensor]:
    """The network in a checkpoint; nothing in the file is executed.

    Raises:
        UserError: as `load_checkpoint`.
    """
    state = load_checkpoint(path)["state_dict"]
    return {name.removeprefix("model."): weight for name, weight in state.items()}


def mean_weights(networks: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The mean of networks of the same shapes; switches, which are no numbers, are the first one's."""
    return {
        name: torch.stack([weights[name] for weights in networks]).mean(dim=0) if first.is_floating_point() else first
        for name, first in networks[0].items()
    }
