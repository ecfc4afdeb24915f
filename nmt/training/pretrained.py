"""Weights that a network begins with in the place of random ones: another model's, or vectors of words from a file."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from nmt.bundle import Bundle, load_bundle
from nmt.errors import UserError
from nmt.model.seq2seq import Seq2Seq
from nmt.recipe.recipe import Recipe
from nmt.recipe.section import first_difference
from nmt.text import read_lines
from nmt.tokenizer import Tokenizer, TokenizerPair

_WORD_BEGINNING = "\u2581"  # SentencePiece's mark


def load_start(recipe: Recipe) -> Bundle | None:
    """The model that a training starts from, if the recipe's `training.start_from` names one.

    Raises:
        UserError: if there is none, it cannot be trained, or its tokenizers or its network are not the recipe's.
    """
    if recipe.training.start_from is None:
        return None
    path = Path(recipe.training.start_from).expanduser()
    start, place = load_bundle(path), f"training.start_from: {path}"
    if start.is_exported:
        raise UserError(f"{place}: an exported model cannot be trained; give the one it was made of")
    theirs, ours = (
        {"tokenizer": each.tokenizer.model_dump(), "model": each.model.of_trained()} for each in (start.recipe, recipe)
    )
    of_attention = ours["model"]["attention"], theirs["model"]["attention"]
    if [each.get("coverage") for each in of_attention] == ["sum", None]:
        of_attention[1]["coverage"] = "sum"  # whose weights are new: See et al. 2017, section 5, learn it at the end
    if found := first_difference(ours, theirs):
        key, own, another = found
        raise UserError(f"{place}: its {key} is {another!r}, but the recipe's {own!r}; give it the same")
    (of_source, of_target), languages = start.recipe.data.languages, recipe.data.languages
    if recipe.tokenizer.needs_languages and (of_source, of_target) != languages:
        raise UserError(f"{place}: it translates from {of_source} to {of_target}; give it text of these languages")
    return start


def set_pretrained(
    model: Seq2Seq, tokenizers: TokenizerPair, recipe: Recipe, start: Bundle | None, say: Callable[[str], None]
) -> None:
    """Overwrites what the recipe wants to begin with other values than random ones.

    Args:
        model: a fresh network.
        tokenizers: its tokenizers.
        recipe: names the files of word vectors.
        start: the model to start from; what it has not, such as the weights of a coverage, stays random.
        say: takes what the person should know.

    Raises:
        UserError: if a file cannot be read or holds vectors of another size.
    """
    options = recipe.training
    if start is not None:
        model.load_state_dict(model.state_dict() | start.model.state_dict())
        say(f"weights: those of {options.start_from}")
    sides = (
        ("source", options.source_embeddings, model.src_embedding, tokenizers.source),
        ("target", options.target_embeddings, model.tgt_embedding, tokenizers.target),
    )
    for side, name, embedding, tokenizer in sides:
        if name is not None:
            found = take_vectors(embedding, tokenizer, Path(name).expanduser())
            say(f"{side} embeddings: {found:,} of {len(tokenizer):,} pieces found in {name}")


@torch.no_grad()
def take_vectors(embedding: nn.Embedding, tokenizer: Tokenizer, path: Path) -> int:
    """Gives the pieces that are whole words, or begin one, the vectors of the same words in a file.

    So a tokenizer of words finds its words, and SentencePiece's other models those of their pieces that begin with
    its mark of a word's beginning; a piece from within words is no word, and keeps its value.

    Args:
        embedding: an entry for each piece.
        tokenizer: the pieces.
        path: text in the format of word2vec, GloVe or fastText: a word and its numbers on each line, perhaps after one
            line with the number of words and that of numbers. It is read line by line.

    Returns:
        How many pieces were found.

    Raises:
        UserError: if the file cannot be read, or a vector is not of the embedding's size; with the line.
    """
    pieces = enumerate(tokenizer.pieces(range(len(tokenizer))))
    ids = {piece[1:]: number for number, piece in pieces if piece.startswith(_WORD_BEGINNING) and len(piece) > 1}
    found: set[int] = set()
    for number, vector in _vectors(path, ids, embedding.embedding_dim):
        if number not in found:
            embedding.weight[number] = torch.from_numpy(vector).to(embedding.weight)
            found.add(number)
    return len(found)


def _vectors(path: Path, ids: Mapping[str, int], size: int) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """The vectors of known words. A line of more numbers than the first has a word with spaces, and none of ours."""
    for line, text in enumerate(read_lines(path), start=1):
        word = text.partition(" ")[0]
        if line > 1 and word not in ids:
            continue
        numbers = text.rstrip(" ").split(" ")[1:]
        if line == 1 and len(numbers) == 1 and word.isdigit() and numbers[0].isdigit():
            _check_width(path, line, int(numbers[0]), size)
            continue
        if line == 1 or len(numbers) < size:
            _check_width(path, line, len(numbers), size)
        if word in ids and len(numbers) == size:
            yield ids[word], _parsed(path, line, numbers)


def _check_width(path: Path, line: int, width: int, size: int) -> None:
    if width != size:
        raise UserError(f"{path}:{line}: vectors of {width} numbers, but model.embedding_size is {size}")


def _parsed(path: Path, line: int, numbers: list[str]) -> npt.NDArray[np.float32]:
    try:
        vector = np.array(numbers, dtype=np.float32)
    except ValueError:
        vector = np.array([np.nan], dtype=np.float32)
    if not np.isfinite(vector).all():
        raise UserError(f"{path}:{line}: these are no numbers; expected a word and {len(numbers)} numbers")
    return vector
