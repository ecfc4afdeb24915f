"""Finds the tokenizers of a recipe, or trains them from its training text."""

import hashlib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from datasets import Dataset

from nmt.data.corpus import iterate_text, text_hash
from nmt.preparation import Preparation, preparations
from nmt.recipe_file import LoadedRecipe
from nmt.text import write_bytes
from nmt.tokenizer import Tokenizer, TokenizerPair, load_tokenizer, train_tokenizer

_MOST_LINES = 2_000_000  # to train pieces from; every n-th if there are more, so that memory stays bounded


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
    of_source, of_target = preparations(loaded.recipe.tokenizer, loaded.recipe.data)
    if loaded.recipe.tokenizer.joint:
        source = target = _prepare(loaded, training, {"source": of_source, "target": of_target}, say)
    else:
        source = _prepare(loaded, training, {"source": of_source}, say)
        target = _prepare(loaded, training, {"target": of_target}, say)
    sides = source.with_preparation(of_source), target.with_preparation(of_target)
    return TokenizerPair(*sides, copies=loaded.recipe.copies_unknown_words)


def _prepare(
    loaded: LoadedRecipe, training: Dataset, sides: Mapping[str, Preparation], say: Callable[[str], None]
) -> Tokenizer:
    """Pieces of the text of some sides, each prepared in its way."""
    options = loaded.recipe.tokenizer
    what = f"{options.type} tokenizer of {options.vocab_size} pieces ({' + '.join(sides)})"
    done = {side: f"{sides[side].language} {sides[side].line_separator}" for side in sides}
    order = sorted((text_hash(training, [side]), done[side], side) for side in sides)  # for either direction
    path = _model_path(loaded, [f"{digest} {prepared}".rstrip() for digest, prepared, _ in order])
    if path is not None and path.exists():
        say(f"{what}: {path}, trained before from the same specification and text")
        return load_tokenizer(path)
    if path is not None and any(path.parent.glob(f"{loaded.tokenizer_name}-*.model")):
        say(f"{what}: the models in {path.parent} are of another specification or text")
    lines = len(training) * len(sides)
    # Words are counted in all of them. SentencePiece's own sample differs in every process.
    step = 1 if options.type == "word" else max(math.ceil(lines / _MOST_LINES), 1)
    texts = (
        map(sides[side].prepare, itertools.islice(iterate_text(training, side), 0, None, step)) for *_, side in order
    )
    tokenizer = train_tokenizer(options, itertools.chain.from_iterable(texts))
    if path is not None:
        write_bytes(path, tokenizer.model)
    fewer = f", which gives {len(tokenizer)}" if len(tokenizer) < options.vocab_size else ""
    say(f"{what}: trained from the training split" + fewer + (f", kept as {path}" if path else ""))
    return tokenizer


def _model_path(loaded: LoadedRecipe, text_hashes: Sequence[str]) -> Path | None:
    """Where the model of this specification and text is kept; its name is a hash of all that decides about it."""
    if loaded.tokenizers is None:
        return None
    content = "\n".join([loaded.recipe.tokenizer.model_dump_json(), *text_hashes])
    identity = hashlib.sha256(content.encode()).hexdigest()[:12]
    return loaded.tokenizers / f"{loaded.tokenizer_name}-{identity}.model"
