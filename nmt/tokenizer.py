"""Pieces or words: train, load, encode, decode. Raw text in, raw text out; what is done to it the recipe says."""

import hashlib
import io
import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate, repeat
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece

from nmt.errors import UserError
from nmt.preparation import Preparation
from nmt.recipe.tokenizer import TokenizerOptions

PAD, UNK, BOS, EOS = 0, 1, 2, 3
"""The special ids, the same in every model."""

UNKNOWN = "\u2047"
"""What an unknown piece reads as."""

_SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
_WORDS = "nmt words 1"  # the first line of a vocabulary of words
_NO_TEXT = "data.train: there is no text to train a tokenizer from"
_SEGMENTATIONS = 16  # of a word to sample from; those beyond are improbable
_CACHED_WORDS = 100_000
_LONGEST_SENTENCE = 1 << 20  # bytes; SentencePiece leaves longer ones out, and a line may be a whole document


class WordVocabulary:
    """The words between white space that are known, under the names of SentencePiece's processor.

    SentencePiece has a model of words, too, but makes one unknown word of several in a row.
    """

    def __init__(self, model: bytes) -> None:
        """Reads the words, one a line under a first line that says what they are; the first one's id is 4.

        Raises:
            ValueError: if it is no vocabulary.
        """
        first, *words = model.decode().split("\n")
        if first != _WORDS or not all(words) or len(set(words)) < len(words):
            raise ValueError("not a vocabulary of words")
        self._pieces = [*_SPECIAL, *("\u2581" + word for word in words)]
        self._ids = {word: index for index, word in enumerate(words, start=len(_SPECIAL))}

    def get_piece_size(self) -> int:
        """Number of words, the special ones included."""
        return len(self._pieces)

    def id_to_piece(self, word: int) -> str:
        """A word, marked by U+2581 as the beginning that it is."""
        return self._pieces[word]

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Those between white space that are unknown, each once, in the order in which they come."""
        return tuple(dict.fromkeys(word for word in text.split() if word not in self._ids))

    def encode(self, text: str, more: Sequence[str] = ()) -> list[int]:
        """The id of each word between white space; `more` are words with ids beyond the vocabulary, in their order."""
        beyond = {word: len(self._pieces) + place for place, word in enumerate(more)}
        return [self._ids.get(word, beyond.get(word, UNK)) for word in text.split()]

    def encode_as_offset_mapping(self, text: str) -> dict[str, list[tuple[int, int]]]:
        """Under `offsets` where each word lies: its first character, and the one after its last."""
        return {"offsets": [match.span() for match in re.finditer(r"\S+", text)]}

    def decode_pieces(self, pieces: Sequence[str]) -> str:
        """The words with spaces between; they need not be known."""
        return " ".join(piece.removeprefix("\u2581") for piece in pieces)

    def decode(self, ids: Sequence[int]) -> str:
        """The words with spaces between."""
        words = (UNKNOWN if word == UNK else self._pieces[word][1:] for word in ids if word not in (PAD, BOS, EOS))
        return " ".join(words)


@dataclass(frozen=True)
class SourceIds:
    """A source, some of whose unknown words may have ids of their own, by which they can be copied.

    Attributes:
        ids: without begin and end.
        words: these words; with V words in the vocabulary V + k is the id of `words[k]`, on the target's side, too.
        unread: pieces that were cut off at its end.
    """

    ids: list[int]
    words: tuple[str, ...] = ()
    unread: int = 0

    def cut(self, length: int | None) -> "SourceIds":
        """The first pieces only, and of the words those that are still there; None: all of it."""
        ids = self.ids[:length]
        size = max(self.ids, default=0) + 1 - len(self.words)  # of the vocabulary, where there are words
        words = self.words[: max(max(ids, default=0) + 1 - size, 0)]
        return SourceIds(ids, words, self.unread + len(self.ids) - len(ids))


class Tokenizer:
    """A trained SentencePiece model or a vocabulary of words, and what is done to text before it."""

    def __init__(self, model: bytes, preparation: Preparation = Preparation()) -> None:  # noqa: B008 - it cannot change
        """Reads a serialised model.

        Raises:
            ValueError: if it is none of ours.
        """
        self.model = model
        self.preparation = preparation
        self._processor = _processor(model)
        self._segmentations = lru_cache(_CACHED_WORDS)(self._segment)

    def __reduce__(self) -> tuple[type["Tokenizer"], tuple[bytes, Preparation]]:
        """A copy is made from the model, without the memory of segmentations."""
        return Tokenizer, (self.model, self.preparation)

    def with_preparation(self, preparation: Preparation) -> "Tokenizer":
        """The same pieces for text that is prepared so; itself if it is already."""
        return self if preparation == self.preparation else Tokenizer(self.model, preparation)

    def __len__(self) -> int:
        """Number of pieces."""
        return int(self._processor.get_piece_size())

    @property
    def separator(self) -> tuple[int, ...]:
        """The piece that stands between the lines of a text; none if nothing does, or pieces that stand elsewhere."""
        pieces = self._encode(self.preparation.line_separator, ())
        return tuple(pieces) if len(pieces) == 1 and pieces != [UNK] else ()

    def prepare(self, texts: Sequence[str]) -> list[str]:
        """The texts as they are cut into pieces."""
        return [self.preparation.prepare(text) for text in texts]

    def encode(self, texts: Sequence[str], more: Sequence[Sequence[str]] | None = None) -> list[list[int]]:
        """The most probable segmentation of each text, without begin and end.

        Args:
            texts: the text.
            more: for each text, words with ids beyond the vocabulary: those of `SourceIds`; None for none at all.
        """
        words = [()] * len(texts) if more is None else more
        return [self._encode(*one) for one in zip(self.prepare(texts), words, strict=True)]

    def encode_open(self, texts: Sequence[str]) -> list[SourceIds]:
        """The same, with an id of its own for each unknown word of a text; only a vocabulary of words has any."""
        prepared, processor = self.prepare(texts), self._processor
        of_words = isinstance(processor, WordVocabulary)
        unknown = [processor.unknown_words(text) if of_words else () for text in prepared]
        return [SourceIds(self._encode(*one), one[1]) for one in zip(prepared, unknown, strict=True)]

    def _encode(self, prepared: str, more: Sequence[str]) -> list[int]:
        # One by one: for a list SentencePiece starts a thread, which takes longer than most texts.
        ids: list[int] = self._processor.encode(prepared, more) if more else self._processor.encode(prepared)
        return ids

    def sample(self, texts: Sequence[str], alpha: float, random: np.random.Generator) -> list[list[int]]:
        """A random segmentation of each text, as probable as its probability to the power of `alpha` (Kudo 2018).

        A unigram model splits each word by itself, so words are sampled one by one, each among its most probable
        segmentations. SentencePiece could sample too, but draws differently in every process.
        """
        words = [text.split(" ") if text else [] for text in self.prepare(texts)]
        draws = iter(random.random(sum(map(len, words))).tolist())
        return [[piece for word in line for piece in self._draw(word, alpha, next(draws))] for line in words]

    def _draw(self, word: str, alpha: float, draw: float) -> list[int]:
        segmentations, bounds = self._segmentations(word, alpha)
        return segmentations[bisect(bounds, draw)]

    def _segment(self, word: str, alpha: float) -> tuple[list[list[int]], list[float]]:
        """The most probable segmentations of a word, and the upper bounds of their shares of the unit interval."""
        several = 1 if word == self.preparation.line_separator else _SEGMENTATIONS  # that is always one piece
        found: list[list[int]] = self._processor.nbest_encode(word or " ", nbest_size=several)
        if not word:  # between two spaces: the piece of a space alone
            found = [found[0][:1]]
        scores = np.array([sum(map(self._processor.get_score, ids)) for ids in found])
        shares = np.exp(alpha * (scores - scores.max()))
        return found, (shares.cumsum() / shares.sum())[:-1].tolist()

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The texts as a person writes them, on one line each."""
        return [self.preparation.restore(text) for text in self.spell(ids)]

    def spell(self, ids: Sequence[Sequence[int]], more: Sequence[str] = ()) -> list[str]:
        """The prepared texts that the pieces spell, on one line each: a line break spelled in bytes becomes a space.

        Args:
            ids: of the pieces of each text.
            more: the words that ids beyond the vocabulary stand for; one that is not given reads as an unknown one
                with its number.
        """
        texts = (self._spell(sequence, more) for sequence in ids)
        return [text.translate(_LINE_BREAKS) for text in texts]

    def _spell(self, ids: Sequence[int], more: Sequence[str]) -> str:
        if max(ids, default=0) < len(self):
            return str(self._processor.decode(list(ids)))
        return self.fill([index for index in ids if index not in (PAD, BOS, EOS)], repeat(UNKNOWN), more)

    def fill(self, ids: Sequence[int], words: Iterable[str], more: Sequence[str] = ()) -> str:
        """The prepared text as `spell` gives it, with a word of its own in the place of each unknown piece."""
        remaining = iter(words)
        pieces = [
            next(remaining) if index == UNK else piece for index, piece in zip(ids, self.pieces(ids, more), strict=True)
        ]
        return str(self._processor.decode_pieces(pieces)).translate(_LINE_BREAKS)

    def written(self, text: str) -> list[str]:
        """What each piece that `encode` gives stands for, without spaces: as it was prepared, but in its own case."""
        prepared = self.preparation.prepare(text)
        cased = replace(self.preparation, lowercase=False).prepare(text)
        source = cased if len(cased) == len(prepared) else prepared  # a letter such as U+0130 is two in lower case
        return [source[first:last].strip() for first, last in self._offsets(prepared)]

    def words(self, text: str) -> list[int]:
        """The word between white space, by its place in the text as it was written, of each piece that `encode` gives.

        That is the word in which the piece begins, or before which it stands: a mark of a space, or a separator of
        lines, belongs to the next word. Words, prepared one by one, and the prepared text are compared by their
        characters, those aside.

        Returns:
            One for each piece; the number of words where none follows.
        """
        shown = self.preparation.without_separators
        alone = ["".join(shown(self.preparation.prepare(word)).split()) for word in text.split()]
        ends = list(accumulate(map(len, alone)))
        prepared = self.preparation.prepare(text)
        before = [0, *accumulate(not character.isspace() for character in shown(prepared))]
        places = _places("".join(alone), "".join(shown(prepared).split()))
        return [bisect(ends, places[before[first]]) for first, _ in self._offsets(prepared)]

    def _offsets(self, prepared: str) -> list[tuple[int, int]]:
        """Where in a prepared text each piece lies; of a character spelled in bytes, all but the last before it."""
        offsets: list[tuple[int, int]] = self._processor.encode_as_offset_mapping(prepared)["offsets"]
        return offsets

    def pieces(self, ids: Sequence[int], more: Sequence[str] = ()) -> list[str]:
        """The pieces as SentencePiece writes them, word beginnings marked by U+2581; `more` as for `spell`."""
        size = len(self)
        return [
            str(self._processor.id_to_piece(piece)) if piece < size else _beyond(piece - size, more) for piece in ids
        ]


def _beyond(number: int, more: Sequence[str]) -> str:
    """The piece of the word of that number among those beyond the vocabulary."""
    return "\u2581" + (more[number] if number < len(more) else f"{UNKNOWN}{number}")


def _places(apart: str, whole: str) -> list[int]:
    """Where in `apart` each character of `whole` is, and the end; they are the same but for marks here and there.

    Preparation turns the no-break space of a number into a comma, for example, which no word by itself has.
    """
    places, place = [], 0
    for character in whole:
        if character.isalnum():
            while place < len(apart) and not apart[place].isalnum():
                place += 1
        places.append(min(place, max(len(apart) - 1, 0)))
        if character.isalnum() or apart[place : place + 1] == character:
            place += 1
    return [*places, len(apart)]


def _processor(model: bytes) -> Any:
    """What encodes and decodes prepared text."""
    if model.startswith(_WORDS.encode()):
        return WordVocabulary(model)
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
        raise ValueError("not a SentencePiece model") from error
    ids = (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id())
    if ids != (PAD, UNK, BOS, EOS):
        raise ValueError(f"its special ids are {ids}, not {(PAD, UNK, BOS, EOS)}")
    return processor


_LINE_BREAKS = {ord("\n"): " ", ord("\r"): " "}


@dataclass(frozen=True)
class TokenizerPair:
    """The tokenizers of both sides; with a joint model, of the same pieces.

    Attributes:
        source: that of what is read.
        target: that of what is written.
        copies: whether unknown words of a source have ids of their own, so that they can be copied; for joint words.
    """

    source: Tokenizer
    target: Tokenizer
    copies: bool = field(default=False, kw_only=True)

    def encode_sources(self, texts: Sequence[str]) -> list[SourceIds]:
        """The pieces of each source, and its unknown words if they can be copied."""
        if self.copies:
            return self.source.encode_open(texts)
        return [SourceIds(ids) for ids in self.source.encode(texts)]

    def encode_targets(self, texts: Sequence[str], sources: Iterable[SourceIds]) -> list[list[int]]:
        """The pieces of each target; an unknown word that its source holds, too, has the id that it has there."""
        return self.target.encode(texts, [source.words for source in sources])

    @property
    def joint(self) -> bool:
        """Whether an id is the same piece on both sides."""
        return self.source.model == self.target.model

    @property
    def only_read(self) -> tuple[int, ...]:
        """Pieces that could be written and never are: the mark between the lines of a source, in a joint model."""
        return self.source.separator if self.joint else ()

    @property
    def fingerprint(self) -> str:
        """A hash of both models and preparations, which says whether weights and ids belong to them."""
        digest = hashlib.sha256(self.source.model)
        digest.update(self.target.model)
        for side, tokenizer in (("source", self.source), ("target", self.target)):
            if tokenizer.preparation != Preparation():
                done = tokenizer.preparation
                digest.update(f"{side} {done}{done.line_separator}{done.protected}".encode())
        if self.copies:
            digest.update(b"copies")
        return digest.hexdigest()


def train_tokenizer(options: TokenizerOptions, texts: Iterable[str]) -> Tokenizer:
    """Trains a model as the specification says, from prepared text.

    Raises:
        UserError: if the text does not give so many pieces, or there is none.
    """
    return Tokenizer(_count_words(options, texts) if options.type == "word" else _train_pieces(options, texts))


def _count_words(options: TokenizerOptions, texts: Iterable[str]) -> bytes:
    """The words of a vocabulary, in falling frequency, those as frequent by the alphabet; first a line separator."""
    counts = Counter(word for text in texts for word in text.split())
    if not counts:
        raise UserError(_NO_TEXT)
    if options.line_separator:
        counts[options.line_separator] += options.min_frequency or 1  # it is known in any case
    frequent = [word for word, count in counts.items() if count >= (options.min_frequency or 1)]
    frequent.sort(key=lambda word: (word != options.line_separator, -counts[word], word))
    return "\n".join([_WORDS, *frequent[: options.vocab_size - len(_SPECIAL)]]).encode()


def _train_pieces(options: TokenizerOptions, texts: Iterable[str]) -> bytes:
    model = io.BytesIO()
    subwords = options.type in ("unigram", "bpe")
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            model_type=options.type,
            vocab_size=options.vocab_size,
            hard_vocab_limit=subwords,
            character_coverage=options.character_coverage,
            byte_fallback=options.byte_fallback and subwords,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            max_sentence_length=_LONGEST_SENTENCE,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            # With the space before it, which would be a piece otherwise.
            user_defined_symbols=["\u2581" + options.line_separator] if options.line_separator else [],
            unk_surface=UNKNOWN,
            minloglevel=2,
        )
    except RuntimeError as error:
        if "sentences_.empty()" in str(error):
            raise UserError(_NO_TEXT) from None
        reason = str(error).rpartition("] ")[2].strip() or str(error).strip()
        reason = reason.replace("vocab_size", "tokenizer.vocab_size").replace(
            "character_coverage with --character_coverage option", "tokenizer.character_coverage"
        )
        raise UserError(
            f"tokenizer.vocab_size: SentencePiece cannot train {options.vocab_size} pieces of type "
            f"{options.type} from this text: {reason}"
        ) from None
    return model.getvalue()


def load_tokenizer(path: Path) -> Tokenizer:
    """Reads a model file.

    Raises:
        UserError: if it is missing or no model of ours.
    """
    try:
        return Tokenizer(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
