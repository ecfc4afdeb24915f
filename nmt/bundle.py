"""What a trained model is on disk: a folder with weights, recipe and tokenizers. Loading it executes nothing.

model.safetensors   weights; its header holds the format version and a hash of the tokenizers
recipe.yaml         the whole recipe, defaults included; of an exported model, that of the model it was made of
source.model        SentencePiece models or vocabularies of words (target.model is missing when they are joint); what is
target.model        done to text before them stands in the recipe
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from nmt.errors import UserError
from nmt.model.build import build_model
from nmt.model.int8 import Int8Linear, is_quantised, quantise
from nmt.model.seq2seq import Seq2Seq
from nmt.model.shortlist import Shortlist
from nmt.preparation import preparations
from nmt.recipe.recipe import Recipe
from nmt.recipe_file import dump_recipe, load_recipe
from nmt.runs import MODEL_FOLDER
from nmt.text import scratch_path, write_bytes
from nmt.tokenizer import EOS, TokenizerPair, load_tokenizer

FORMAT_VERSION = 3
"""The one format that is written and read; rises when bundles of before can no longer be read. None of before was
released.
"""

_PRECISIONS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)  # that weights are read in
_WEIGHTS, _RECIPE, _SOURCE, _TARGET = "model.safetensors", "recipe.yaml", "source.model", "target.model"


@dataclass(frozen=True)
class Bundle:
    """A trained model: the network in evaluation mode, its recipe and its tokenizers."""

    model: Seq2Seq
    recipe: Recipe
    tokenizers: TokenizerPair

    @property
    def is_exported(self) -> bool:
        """Whether the model was made smaller or faster after its training, by `nmt.export`."""
        return is_quantised(self.model) or self.model.output.shortlist is not None


def save_bundle(bundle: Bundle, folder: Path, beside: Mapping[str, str] = MappingProxyType({})) -> None:
    """Writes a bundle; the folder appears whole or not at all, and replaces one that is there. An empty one is filled.

    Args:
        bundle: the model.
        folder: where.
        beside: names and contents of other files in the folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fills = _is_empty(folder)
    scratch = _scratch(folder)
    try:
        scratch.mkdir()
        write_tokenizers(bundle.tokenizers, scratch)
        (scratch / _RECIPE).write_text(dump_recipe(bundle.recipe), encoding="utf-8")
        header = {"format": str(FORMAT_VERSION), "tokenizers": bundle.tokenizers.fingerprint}
        save_file(_own_weights(bundle.model), scratch / _WEIGHTS, metadata=header)
        for name, content in beside.items():
            (scratch / name).write_text(content, encoding="utf-8")
        shutil.copymode(scratch / _RECIPE, scratch / _WEIGHTS)  # safetensors writes for the owner alone
        if fills:
            _fill(folder, scratch)
        else:
            _replace(folder, scratch)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def check_writable(folder: Path) -> None:
    """Tries whether a new bundle can be written there, before the work that it takes to make one; leaves no trace.

    Raises:
        UserError: if it cannot, or if there is something already.
    """
    try:
        path = folder.resolve()
        if path.exists() and not _is_empty(path):
            raise UserError(f"{folder}: is there already; remove it, or give another name")
        above = next(parent for parent in path.parents if parent.exists())
        scratch = _scratch(path if path.exists() else above / path.name)
        scratch.mkdir()
        scratch.rmdir()
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _scratch(folder: Path) -> Path:
    """Where to write what `folder` is to hold: beside it, or within if it is empty, for it may be a disk of its own."""
    return scratch_path(folder / folder.name if _is_empty(folder) else folder)


def _fill(folder: Path, new: Path) -> None:
    """Moves what is in `new` into its empty parent, in which somebody may be working; the weights come last."""
    try:
        for path in sorted(new.iterdir(), key=lambda path: path.name == _WEIGHTS):
            path.rename(folder / path.name)
        new.rmdir()
    except BaseException:
        for path in folder.iterdir():
            if path != new:
                path.unlink()
        raise


def _replace(folder: Path, new: Path) -> None:
    """Puts `new` in the place of a folder; the old one is deleted only once the new one stands."""
    old = new.with_name(f"{new.name}-old")
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def load_bundle(folder: Path) -> Bundle:
    """Reads a bundle, or that of a run.

    Raises:
        UserError: if there is none, it is damaged, its parts do not belong together, or it is of another format.
    """
    folder = find_bundle(folder)
    weights, header = _read_weights(folder / _WEIGHTS)
    version = header.get("format", "")
    if version != str(FORMAT_VERSION):
        known = f"this nmt reads format {FORMAT_VERSION}"
        raise UserError(f"{folder}: written in format {version or 'unknown'}, but {known}; use the nmt that wrote it")
    recipe = load_recipe(folder / _RECIPE).recipe
    tokenizers = read_tokenizers(folder, recipe)
    if header.get("tokenizers") != tokenizers.fingerprint:
        raise UserError(f"{folder}: the tokenizers are not those that the weights were trained with")
    try:
        with torch.random.fork_rng(devices=[]):
            model = build_model(recipe.model, len(tokenizers.source), len(tokenizers.target))
    except RuntimeError as error:  # sizes for which there is no memory
        reason = str(error).partition("\n")[0]
        raise UserError(f"{folder / _RECIPE}: no network can be built from this recipe: {reason}") from None
    if not _make_room(model, weights):
        raise UserError(f"{folder}: the shortlist does not fit the vocabularies")
    own = _own_weights(model)
    wrong = sorted(
        (own.keys() ^ weights.keys())
        | {name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape}
    )
    if wrong:
        raise UserError(f"{folder}: weights and recipe do not fit; the first difference is {wrong[0]}")
    if odd := next((name for name, weight in weights.items() if not _is_readable(weight, own[name])), None):
        raise UserError(f"{folder}: the weights {odd} are of type {weights[odd].dtype}, which this nmt does not read")
    if broken := next((name for name, weight in weights.items() if not weight.isfinite().all()), None):
        raise UserError(f"{folder}: the weights {broken} hold values that are no numbers; train again")
    model.load_state_dict(weights, strict=False)
    if problem := _problem_of_exported(model):
        raise UserError(f"{folder}: {problem}")
    return Bundle(model.eval().requires_grad_(False), recipe, tokenizers)


def _make_room(model: Seq2Seq, weights: Mapping[str, torch.Tensor]) -> bool:
    """Gives a fresh model the layers of 8 bits and the shortlist that an exported one has; whether that is possible."""
    scaled = [name.removesuffix(".scale").removesuffix(".gates") for name in weights if name.endswith(".scale")]
    quantise(model, dict.fromkeys(scaled, 1.0))
    by_word, always = weights.get("output.shortlist.by_word"), weights.get("output.shortlist.always")
    if by_word is None or always is None:
        return True
    if by_word.dtype != torch.int32 or always.dtype != torch.int32 or by_word.ndim != 2 or always.ndim != 1:
        return False
    size = model.tgt_embedding.num_embeddings
    model.output.shortlist = Shortlist(torch.zeros_like(by_word), torch.zeros_like(always), size)
    return len(by_word) == model.src_embedding.num_embeddings


def _problem_of_exported(model: Seq2Seq) -> str | None:
    """What is impossible in layers of 8 bits and in a shortlist, which index other things."""
    for name, layer in model.named_modules():
        if isinstance(layer, Int8Linear) and not (layer.limit > 0 and (layer.scale > 0).all()):
            return f"the scales of {name} are not positive"
    shortlist = model.output.shortlist
    if shortlist is None:
        return None
    by_word, always, words = shortlist.by_word, shortlist.always, model.tgt_embedding.num_embeddings
    inside = ((by_word >= -1) & (by_word < words)).all() and ((always >= 0) & (always < words)).all()
    if not inside or not (always == EOS).any():
        return "the shortlist holds words that are not in the vocabulary, or not the end"
    return None


def _is_readable(weight: torch.Tensor, own: torch.Tensor) -> bool:
    """Whether weights in a file can become those of a layer: whole numbers the same, others in any precision."""
    return weight.dtype == own.dtype if not own.is_floating_point() else weight.dtype in _PRECISIONS


def find_bundle(path: Path) -> Path:
    """The folder of the bundle at `path`, which may be a run's.

    Raises:
        UserError: if there is none, with what to do.
    """
    for folder in (path, path / MODEL_FOLDER):
        if (folder / _WEIGHTS).is_file():
            return folder
    if (path / "checkpoints").is_dir():
        raise UserError(f"{path}: this run has not finished; go on with nmt train ... --run {path} --resume")
    raise UserError(f"{path}: no model here; expected the folder of a run or of a bundle ({_WEIGHTS})")


def write_tokenizers(tokenizers: TokenizerPair, folder: Path) -> None:
    """Writes the models of the tokenizers of a bundle or a run."""
    write_bytes(folder / _SOURCE, tokenizers.source.model)
    if not tokenizers.joint:
        write_bytes(folder / _TARGET, tokenizers.target.model)


def read_tokenizers(folder: Path, recipe: Recipe) -> TokenizerPair:
    """Reads what `write_tokenizers` wrote; the recipe says what is done to text before.

    Raises:
        UserError: if a model is missing or damaged.
    """
    source = load_tokenizer(folder / _SOURCE)
    target = load_tokenizer(folder / _TARGET) if (folder / _TARGET).exists() else source
    of_source, of_target = preparations(recipe.tokenizer, recipe.data)
    sides = source.with_preparation(of_source), target.with_preparation(of_target)
    return TokenizerPair(*sides, copies=recipe.copies_unknown_words)


def _own_weights(model: Seq2Seq) -> dict[str, torch.Tensor]:
    """Every tensor once: those that are shared under their first name only."""
    seen: set[int] = set()
    weights = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            weights[name] = tensor.detach().cpu().contiguous()
    return weights


def _read_weights(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            return weights, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: damaged, or no weights of ours: {error}") from None
