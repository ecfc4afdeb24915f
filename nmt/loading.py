"""From bundles to what a translator needs: a network on its device, alone or of several, and how it searches."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import ValidationError

from nmt.bundle import Bundle
from nmt.errors import UserError
from nmt.model.ensemble import Ensemble, Network
from nmt.recipe.recipe import contradictions
from nmt.recipe.search import SearchOptions
from nmt.recipe_file import explain


def make_network(bundles: Sequence[Bundle], device: str) -> Network:
    """The network of a bundle, or an ensemble of several, on a device.

    Raises:
        UserError: if there is no such device, the networks cannot translate together, or not there.
    """
    network = bundles[0].model if len(bundles) == 1 else _ensemble(bundles)
    if bundles[0].is_exported:
        if device not in ("auto", "cpu"):
            raise UserError(f"--device {device}: an exported model runs on the cpu; take the one it was made of")
        device = "cpu"
    return network.to(choose_device(device))


def _ensemble(bundles: Sequence[Bundle]) -> Ensemble:
    """The networks of some bundles as one.

    Raises:
        UserError: if they do not share their tokenizers, or one was exported.
    """
    for number, bundle in enumerate(bundles, start=1):
        if bundle.is_exported:
            raise UserError(f"--model: model {number} is an exported one; an ensemble takes the runs they are made of")
        if bundle.tokenizers.fingerprint != bundles[0].tokenizers.fingerprint:
            raise UserError(f"--model: models 1 and {number} have different tokenizers; an ensemble needs the same")
    return Ensemble([bundle.model for bundle in bundles])


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is a GPU where there is one.

    Raises:
        UserError: if there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name.partition(":")[0] not in ("cpu", "cuda", "mps"):
        raise UserError(f"--device {name}: choose cpu, cuda, cuda:1, mps or auto")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device {name}: {str(error).partition(chr(10))[0]}") from None
    return device


def search_options(bundle: Bundle, changed: Mapping[str, Any]) -> SearchOptions:
    """The recipe's `searched` with some fields changed.

    Raises:
        UserError: if there is no such field or value, or the model cannot be searched like that.
    """
    try:
        options = SearchOptions.model_validate({**bundle.recipe.searched.model_dump(), **changed})
    except ValidationError as error:
        raise UserError(explain(error, "search")) from None
    for key, need in contradictions({"model": bundle.recipe.model, "search": options}):
        raise UserError(f"{'.'.join(map(str, key))}: {need}")
    return options
