"""Finds the tokenizers of a recipe, or trains them from its training text."""

import hashlib
import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from datasets import Dataset

from nmt.data.corpus import iterate_text, text_hash
from nmt.recipe_file import LoadedRecipe
from nmt.text import write_bytes
from nmt.tokenizer import Tokenizer, TokenizerPair, load_tokenizer, train_tokenizer

_MOST_LINES = 2_000_000  # to train a tokenizer from; every n-th if there are more, so that memory stays bounded


def prepare_tokenizers(loaded: LoadedRecipe, training: Dataset, say: Callable[[str], None]) -> TokenizerPair:
    """The tokenizers for a training.

    A model that was trained before from the same specification and the same text is taken from the folder of the
    specification; otherwise one is trained and left there, and the run says so. A joint model does not depend on which
    side is the source, so both directions share it. Without such a folder (the recipe spells the specification out)
    nothing is left behind.

    Args:
        loaded: the recipe.
        training: the training split, with the columns `source` and `target`.
        say: takes what the person should know.

    Raises:
        UserError: if a model cannot be trained, or a file is no model.
    """
    if loaded.recipe.tokenizer.joint:
        both = _prepare(loaded, training, ("source", "target"), say)
        return TokenizerPair(both, both)
    source, target = (_prepare(loaded, training, (side,), say) for side in ("source", "target"))
    return TokenizerPair(source, target)


def _prepare(loaded: LoadedRecipe, training: Dataset, columns: Sequence[str], say: Callable[[str], None]) -> Tokenizer:
    options = loaded.recipe.tokenizer
    what = f"{options.type} tokenizer of {options.vocab_size} pieces ({' + '.join(columns)})"
    texts = sorted((text_hash(training, [column]), column) for column in columns)  # the same for either direction
    path = _model_path(loaded, [digest for digest, _ in texts])
    if path is not None and path.exists():
        say(f"{what}: {path}, trained before from the same specification and text")
        return load_tokenizer(path)
    if path is not None and any(path.parent.glob(f"{loaded.tokenizer_name}-*.model")):
        say(f"{what}: the models in {path.parent} are of another specification or text")
    lines = itertools.chain.from_iterable(iterate_text(training, column) for _, column in texts)
    step = math.ceil(len(training) * len(columns) / _MOST_LINES)  # SentencePiece's own sample differs in every process
    tokenizer = train_tokenizer(options, itertools.islice(lines, 0, None, max(step, 1)))
    if path is not None:
        write_bytes(path, tokenizer.model)
    say(f"{what}: trained from the training split" + (f", kept as {path}" if path else ""))
    return tokenizer


def _model_path(loaded: LoadedRecipe, text_hashes: Sequence[str]) -> Path | None:
    """Where the model of this specification and text is kept; its name is a hash of all that decides about it."""
    if loaded.tokenizers is None:
        return None
    content = "\n".join([loaded.recipe.tokenizer.model_dump_json(), *text_hashes])
    identity = hashlib.sha256(content.encode()).hexdigest()[:12]
    return loaded.tokenizers / f"{loaded.tokenizer_name}-{identity}.model"
