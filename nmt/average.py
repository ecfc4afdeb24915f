"""The mean of several models' weights, as a model: of one training's checkpoints, or of trainings that began alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nmt.bundle import Bundle, find_bundle, load_bundle, read_tokenizers, save_bundle
from nmt.errors import UserError
from nmt.model.build import build_model
from nmt.recipe.recipe import Recipe
from nmt.recipe.section import first_difference
from nmt.recipe_file import load_recipe
from nmt.runs import TOKENIZERS_FOLDER
from nmt.tokenizer import TokenizerPair
from nmt.training.checkpoint import load_checkpoint, mean_weights, network_weights


@dataclass(frozen=True)
class Member:
    """One of the models.

    Attributes:
        name: as the person gave it.
        weights: of the network.
        recipe: that it was trained by.
        tokenizers: its tokenizers.
    """

    name: str
    weights: Mapping[str, torch.Tensor]
    recipe: Recipe
    tokenizers: TokenizerPair


def average(paths: Sequence[Path]) -> Bundle:
    """The mean of some models; recipe and tokenizers are the first one's.

    Args:
        paths: checkpoints in a run's folder, bundles, or finished runs.

    Raises:
        UserError: if there is only one, one cannot be read or was exported, or they are not of the same kind.
    """
    if len(paths) < 2:
        raise UserError("a mean takes several models; give checkpoints or bundles, or a run with --best N or --last N")
    members = [_read(path) for path in paths]
    first = members[0]
    for member in members[1:]:
        _check_alike(first, member)
    with torch.random.fork_rng(devices=[]):
        model = build_model(first.recipe.model, len(first.tokenizers.source), len(first.tokenizers.target))
    try:
        model.load_state_dict(mean_weights([member.weights for member in members]))
    except RuntimeError:
        raise UserError(f"{first.name}: its weights do not fit its recipe") from None
    return Bundle(model.eval().requires_grad_(False), first.recipe, first.tokenizers)


def save_average(bundle: Bundle, folder: Path) -> None:
    """Writes the bundle.

    Raises:
        UserError: if the folder cannot be written.
    """
    try:
        save_bundle(bundle, folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None


def last_checkpoints(run: Path, count: int) -> list[Path]:
    """The newest checkpoints of a run, by their steps.

    Raises:
        UserError: if there are not so many.
    """
    folder = run / "checkpoints"
    if not folder.is_dir():
        raise UserError(f"{run}: no run here, for it holds no checkpoints")
    by_step = {load_checkpoint(path)["global_step"]: path for path in sorted(folder.glob("*.ckpt"))}
    found = [by_step[step] for step in sorted(by_step)]
    return _enough(found, count, f"{folder} holds {len(found)} different checkpoints")[-count:]


def best_checkpoints(run: Path, count: int) -> list[Path]:
    """The checkpoints of a run with the best validation scores, the best first.

    Raises:
        UserError: if there are not so many, or there is no run.
    """
    recipe = load_recipe(run / "recipe.yaml").recipe
    state = load_checkpoint(run / "checkpoints" / "last.ckpt")
    scores: dict[str, torch.Tensor] = {}
    for callback in state["callbacks"].values():
        scores |= callback.get("best_k_models", {}) if callback.get("monitor") else {}
    ranked = sorted(scores, key=lambda path: float(scores[path]), reverse=recipe.training.monitor_mode == "max")
    found = [run / "checkpoints" / Path(path).name for path in ranked]
    return _enough(found, count, f"{run} kept the {len(found)} best")[:count]


def _enough(found: list[Path], count: int, kept: str) -> list[Path]:
    if len(found) < count:
        raise UserError(f"{kept}, not {count}; training.average says how many a training keeps")
    return found


def _read(path: Path) -> Member:
    """A checkpoint, with what its run's folder holds; or a bundle."""
    if path.is_file():
        run = path.absolute().parents[1]
        recipe = load_recipe(run / "recipe.yaml").recipe
        return Member(str(path), network_weights(path), recipe, read_tokenizers(run / TOKENIZERS_FOLDER, recipe))
    bundle = load_bundle(find_bundle(path))
    if bundle.is_exported:
        raise UserError(f"{path}: an exported model has no mean with others; give the one it was made of")
    return Member(str(path), bundle.model.state_dict(), bundle.recipe, bundle.tokenizers)


def _check_alike(one: Member, other: Member) -> None:
    if one.tokenizers.fingerprint != other.tokenizers.fingerprint:
        raise UserError(f"{other.name}: its tokenizers are not those of {one.name}")
    ours, theirs = (member.recipe.model.of_trained() for member in (one, other))
    if found := first_difference(ours, theirs):
        key, own, another = found
        raise UserError(f"{other.name}: model.{key} is {another!r}, but {own!r} in {one.name}")
    shapes, others = ({name: tensor.shape for name, tensor in member.weights.items()} for member in (one, other))
    if shapes != others:
        raise UserError(f"{other.name}: its weights have other shapes than those of {one.name}")
    switches = [name for name, value in one.weights.items() if value.dtype == torch.bool]
    if any(one.weights[name] != other.weights[name] for name in switches):
        raise UserError(f"{other.name}: it is of another phase of the training than {one.name}")
