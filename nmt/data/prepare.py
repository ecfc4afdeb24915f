"""Finds the tokenizers of a recipe, or trains them from its training text."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from datasets import Dataset

from nmt.data.corpus import iterate_text
from nmt.recipe import TokenizerOptions
from nmt.recipe_file import LoadedRecipe
from nmt.text import write_bytes
from nmt.tokenizer import Tokenizer, TokenizerPair, load_tokenizer, train_tokenizer


def prepare_tokenizers(
    loaded: LoadedRecipe, training: Dataset, text_hash: str, say: Callable[[str], None]
) -> TokenizerPair:
    """The tokenizers for a training.

    A model that was trained before from the same specification and the same text is taken from the folder of the
    specification; otherwise one is trained and left there, and the run says so. Without such a folder (the recipe
    spells the specification out) nothing is left behind.

    Args:
        loaded: the recipe.
        training: the training split, with the columns `source` and `target`.
        text_hash: hash of that text.
        say: takes what the person should know.

    Raises:
        UserError: if a model cannot be trained, or a file is no model.
    """
    options = loaded.recipe.tokenizer
    if options.joint:
        both = _prepare(loaded, training, ("source", "target"), text_hash, say)
        return TokenizerPair(both, both)
    source, target = (_prepare(loaded, training, (side,), text_hash, say) for side in ("source", "target"))
    return TokenizerPair(source, target)


def _prepare(
    loaded: LoadedRecipe,
    training: Dataset,
    columns: Sequence[str],
    text_hash: str,
    say: Callable[[str], None],
) -> Tokenizer:
    options = loaded.recipe.tokenizer
    what = f"{options.type} tokenizer of {options.vocab_size} pieces ({' + '.join(columns)})"
    path = _model_path(loaded, columns, text_hash)
    if path is not None and path.exists():
        say(f"{what}: {path}, trained before from the same specification and text")
        return load_tokenizer(path)
    if path is not None and any(path.parent.glob(f"{loaded.tokenizer_name}-*.model")):
        say(f"{what}: the models in {path.parent} are of another specification or text")
    tokenizer = train_tokenizer(options, _texts(training, columns))
    if path is not None:
        write_bytes(path, tokenizer.model)
    say(f"{what}: trained from the training split" + (f", kept as {path}" if path else ""))
    return tokenizer


def _texts(training: Dataset, columns: Sequence[str]) -> Iterator[str]:
    for column in columns:
        yield from iterate_text(training, column)


def _model_path(loaded: LoadedRecipe, columns: Sequence[str], text_hash: str) -> Path | None:
    if loaded.tokenizers is None:
        return None
    identity = _identity(loaded.recipe.tokenizer, columns, text_hash)
    return loaded.tokenizers / f"{loaded.tokenizer_name}-{identity}.model"


def _identity(options: TokenizerOptions, columns: Sequence[str], text_hash: str) -> str:
    """A hash of all that decides about the model."""
    content = "\n".join([options.model_dump_json(), *columns, text_hash])
    return hashlib.sha256(content.encode()).hexdigest()[:12]
