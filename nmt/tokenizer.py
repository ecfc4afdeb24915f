"""SentencePiece: train, load, encode, decode. Raw text in, raw text out; nothing is normalised or lower-cased."""

import hashlib
import io
from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import sentencepiece

from nmt.errors import UserError
from nmt.recipe import TokenizerOptions

PAD, UNK, BOS, EOS = 0, 1, 2, 3
"""The special ids, the same in every model."""

_SEGMENTATIONS = 16  # of a word to sample from; those beyond are improbable
_CACHED_WORDS = 100_000
_LONGEST_SENTENCE = 1 << 20  # bytes; SentencePiece leaves longer ones out, and a line may be a whole document


class Tokenizer:
    """A trained SentencePiece model."""

    def __init__(self, model: bytes) -> None:
        """Reads a serialised model.

        Raises:
            ValueError: if it is no SentencePiece model with our special ids.
        """
        self.model = model
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise ValueError("not a SentencePiece model") from error
        ids = (
            self._processor.pad_id(),
            self._processor.unk_id(),
            self._processor.bos_id(),
            self._processor.eos_id(),
        )
        if ids != (PAD, UNK, BOS, EOS):
            raise ValueError(f"its special ids are {ids}, not {(PAD, UNK, BOS, EOS)}")
        self._segmentations = lru_cache(_CACHED_WORDS)(self._segment)

    def __reduce__(self) -> tuple[type["Tokenizer"], tuple[bytes]]:
        """A copy is made from the model, without the memory of segmentations."""
        return Tokenizer, (self.model,)

    def __len__(self) -> int:
        """Number of pieces."""
        return int(self._processor.get_piece_size())

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The most probable segmentation of each text, without begin and end."""
        # One by one: for a list SentencePiece starts a thread, which takes longer than most texts.
        return [self._processor.encode(text) for text in texts]

    def sample(self, texts: Sequence[str], alpha: float, random: np.random.Generator) -> list[list[int]]:
        """A random segmentation of each text, as probable as its probability to the power of `alpha` (Kudo 2018).

        A unigram model splits each word by itself, so words are sampled one by one, each among its most probable
        segmentations. SentencePiece could sample too, but draws differently in every process.
        """
        words = [text.split(" ") if text else [] for text in texts]
        draws = iter(random.random(sum(map(len, words))).tolist())
        return [[piece for word in line for piece in self._draw(word, alpha, next(draws))] for line in words]

    def _draw(self, word: str, alpha: float, draw: float) -> list[int]:
        segmentations, bounds = self._segmentations(word, alpha)
        return segmentations[bisect(bounds, draw)]

    def _segment(self, word: str, alpha: float) -> tuple[list[list[int]], list[float]]:
        """The most probable segmentations of a word, and the upper bounds of their shares of the unit interval."""
        found: list[list[int]] = self._processor.nbest_encode(word or " ", nbest_size=_SEGMENTATIONS)
        if not word:  # between two spaces: the piece of a space alone
            found = [found[0][:1]]
        scores = np.array([sum(map(self._processor.get_score, ids)) for ids in found])
        shares = np.exp(alpha * (scores - scores.max()))
        return found, (shares.cumsum() / shares.sum())[:-1].tolist()

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The texts, on one line each: a line break that was spelled in bytes becomes a space."""
        texts = (self._processor.decode(list(sequence)) for sequence in ids)
        return [text.translate(_LINE_BREAKS) for text in texts]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The pieces as SentencePiece writes them, word beginnings marked by U+2581."""
        return [str(self._processor.id_to_piece(piece)) for piece in ids]


_LINE_BREAKS = {ord("\n"): " ", ord("\r"): " "}


@dataclass(frozen=True)
class TokenizerPair:
    """The tokenizers of both sides; with a joint model, twice the same object."""

    source: Tokenizer
    target: Tokenizer

    @property
    def fingerprint(self) -> str:
        """A hash of both models, which says whether weights belong to them."""
        digest = hashlib.sha256(self.source.model)
        digest.update(self.target.model)
        return digest.hexdigest()


def train_tokenizer(options: TokenizerOptions, texts: Iterable[str]) -> Tokenizer:
    """Trains a model as the specification says.

    Raises:
        UserError: if the text does not give so many pieces, or there is none.
    """
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
            unk_surface=" \u2047" if options.type == "word" else "\u2047",
            minloglevel=2,
        )
    except RuntimeError as error:
        if "sentences_.empty()" in str(error):
            raise UserError("data.train: there is no text to train a tokenizer from") from None
        reason = str(error).rpartition("] ")[2].strip() or str(error).strip()
        reason = reason.replace("vocab_size", "tokenizer.vocab_size").replace(
            "character_coverage with --character_coverage option", "tokenizer.character_coverage"
        )
        raise UserError(
            f"tokenizer.vocab_size: SentencePiece cannot train {options.vocab_size} pieces of type "
            f"{options.type} from this text: {reason}"
        ) from None
    return Tokenizer(model.getvalue())


def load_tokenizer(path: Path) -> Tokenizer:
    """Reads a model file.

    Raises:
        UserError: if it is missing or no SentencePiece model of ours.
    """
    try:
        return Tokenizer(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
