"""Unknown words of a translation, replaced by what they look at (Luong et al. 2015, section 4; Jean et al. 2015)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from nmt.align import by_step
from nmt.errors import UserError
from nmt.recipe.search import AlignedTo
from nmt.text import read_lines
from nmt.tokenizer import BOS, EOS, UNK, UNKNOWN, TokenizerPair
from nmt.translation import Translation


def read_dictionary(path: Path) -> dict[str, str]:
    """Reads translations of words: on each line a source word, a tab and a target word; of several the first one wins.

    Raises:
        UserError: if the file cannot be read, or a line is not like that, with its number.
    """
    dictionary: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        words = [word.strip() for word in line.split("\t")]
        if len(words) != 2 or not all(words):
            raise UserError(f"{path}:{number}: expected a source word, a tab and a target word")
        dictionary.setdefault(*words)
    return dictionary


def filled(
    found: Translation,
    line: str,
    weights: Float[Tensor, "tgt src"],
    tokenizers: TokenizerPair,
    dictionary: Mapping[str, str],
    aligned_to: AlignedTo,
) -> Translation:
    """A translation with words in the place of its unknown ones; see `replacements`.

    Args:
        found: the translation.
        line: what it translates.
        weights: the attention of each step, to the pieces of the line and its end.
        tokenizers: those of the model.
        dictionary: translations of source words.
        aligned_to: see `nmt.align.by_step`.
    """
    source = tokenizers.source.written(line)[: weights.shape[1] - 1]  # a long line was cut
    words = replacements(found.ids, weights, source, dictionary, aligned_to)
    return found.reading(tokenizers.target.fill(found.ids, words, found.words), tokenizers.target)


def replacements(
    ids: Sequence[int],
    weights: Float[Tensor, "tgt src"],
    source: Sequence[str],
    dictionary: Mapping[str, str],
    aligned_to: AlignedTo,
) -> list[str]:
    """A word for each unknown one: what the dictionary has for the source word with the largest weight, or that itself.

    Where no source word has any weight the unknown one stays, as it has no link in `nmt.align.Alignment.links`.

    Args:
        ids: of the translation, without begin and end.
        weights: the attention of each step.
        source: the text of each source piece as it was written; the end and blank ones are nothing to copy.
        dictionary: translations of source words, as they are written or else in lower case.
        aligned_to: see `nmt.align.by_step`.
    """
    places = [place for place, text in enumerate(source) if text]
    if not places:
        return [UNKNOWN] * list(ids).count(UNK)
    tokens = by_step(ids, BOS, EOS, aligned_to)
    looked = weights[[row for row, token in enumerate(tokens) if token == UNK]][:, places]
    copied = [source[places[int(row.argmax())]] if row.any() else None for row in looked]
    return [UNKNOWN if word is None else dictionary.get(word) or dictionary.get(word.lower(), word) for word in copied]
