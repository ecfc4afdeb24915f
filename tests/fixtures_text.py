"""Text, tokenizers and small models for the tests of everything that handles text."""

import io
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset

from nmt.bundle import Bundle, save_bundle
from nmt.data.batch import make_batch
from nmt.data.lexicon import learn_lexicon
from nmt.data.numbers import number_corpus
from nmt.model.build import build_model
from nmt.model.int8 import observed_limits, quantise
from nmt.model.seq2seq import Seq2Seq
from nmt.model.shortlist import Shortlist
from nmt.preparation import preparations
from nmt.recipe.recipe import Recipe
from nmt.recipe.tokenizer import TokenizerOptions
from nmt.tokenizer import Tokenizer, TokenizerPair, train_tokenizer
from nmt.training.loss import sequence_loss
from nmt.translator import Translator
from tests.bare import bare

SOURCES = [row["de"] for row in number_corpus("train")[:600]]
TARGETS = [row["en"] for row in number_corpus("train")[:600]]

ODD_LINES = [
    "",
    " ",
    "\t \u3000\u00a0",
    "\u2028",
    "eins\u2028zwei\u2029drei",
    "eins\x0bzwei\x0cdrei\x85vier\x1cfünf",
    "eins\rzwei",
    "\x00",
    "eins\x00zwei",
    "\x01\x02\x1b[31m\x7f",
    "\ufeffeins",
    "\u200b",
    "e\u0301 \u0308 ﬁ ² İ",
    "👩\u200d👩\u200d👧\u200d👦 漢字 \U0010ffff \ue000",
    "\u2581 \u2581\u2581",
    "<s> </s> <unk> <pad> <0x41> \u2047",
    "eins " * 10_000,  # 50,000 characters
    "x" * 50_000,
    "letzte",
]
"""Lines that have broken other programs; none holds a line feed."""


@cache
def tokenizer(kind: str = "unigram", vocab_size: int = 350, text: str = "both") -> Tokenizer:
    """A tokenizer of the embedded corpus; `text` is `source`, `target` or `both`."""
    texts = {"source": SOURCES, "target": TARGETS, "both": SOURCES + TARGETS}[text]
    return train_tokenizer(TokenizerOptions.model_validate({"type": kind, "vocab_size": vocab_size}), texts)


def tokenizer_pair(kind: str = "unigram", joint: bool = True) -> TokenizerPair:
    """One tokenizer for both languages, or one for each."""
    if joint:
        return TokenizerPair(tokenizer(kind), tokenizer(kind))
    return TokenizerPair(tokenizer(kind, 320, "source"), tokenizer(kind, 330, "target"))


def make_recipe(**sections: dict[str, Any]) -> Recipe:
    """A recipe with a tiny network and short translations."""
    tiny: dict[str, dict[str, Any]] = {
        "data": {"path": "builtin:numbers", "source": "de", "target": "en", "workers": 1},
        "tokenizer": {"type": "unigram", "vocab_size": 350},
        "model": {"embedding_size": 8, "hidden_size": 12, "dropout": 0.5},
        "search": {"max_length_ratio": 1.0, "max_length_extra": 4, "max_source_length": 40, "batch_size": 4},
    }
    names = tiny.keys() | sections.keys()
    return Recipe.model_validate({name: {**tiny.get(name, {}), **sections.get(name, {})} for name in names})


def make_bundle(joint: bool = True, steps: int = 0, **sections: dict[str, Any]) -> Bundle:
    """A model that has practised for some steps on a few lines; without any, it is as it was born."""
    recipe = make_recipe(**sections)
    plain, prepared = tokenizer_pair(recipe.tokenizer.type, joint), preparations(recipe.tokenizer, recipe.data)
    sides = zip((plain.source, plain.target), prepared, strict=True)
    prepared_sides = (side.with_preparation(preparation) for side, preparation in sides)
    tokenizers = TokenizerPair(*prepared_sides, copies=recipe.copies_unknown_words)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = build_model(recipe.model, len(tokenizers.source), len(tokenizers.target)).eval()
    _practise(model, tokenizers, SOURCES[:8], TARGETS[:8], steps)
    return Bundle(model.requires_grad_(False), recipe, tokenizers)


def _practise(model: Seq2Seq, tokenizers: TokenizerPair, sources: list[str], targets: list[str], steps: int) -> None:
    read = tokenizers.encode_sources(sources)
    batch = make_batch([source.ids for source in read], tokenizers.encode_targets(targets, read))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    with bare():
        for _ in range(steps):
            optimizer.zero_grad()
            loss = sequence_loss(model, batch)
            torch.autograd.backward(loss.objective / loss.tokens)
            optimizer.step()


@cache
def practised_bundle() -> Bundle:
    """A model of words that nearly knows its eight lines; not to be changed."""
    sizes = {"embedding_size": 16, "hidden_size": 32, "dropout": 0.1}
    return make_bundle(steps=70, tokenizer={"type": "word"}, model=sizes)


@cache
def copying_bundle(kind: str = "word") -> Bundle:
    """A pointer-generator that has begun to copy lines with words that it cannot know; not to be changed."""
    see = {"pointer": True, "decoder": {"type": "see"}, "attention": {"type": "additive", "size": 16}}
    sizes = {"embedding_size": 16, "hidden_size": 32, "dropout": 0.0}
    bundle = make_bundle(tokenizer={"type": kind}, model=see | sizes)
    lines = [f"{line} Wort{number} {number}" for number, line in enumerate(SOURCES[:8])]
    # Of pieces there are several times as many as of words, and all of them are known.
    _practise(bundle.model.requires_grad_(True), bundle.tokenizers, lines, lines, 200 if kind == "word" else 8)
    bundle.model.requires_grad_(False)
    return bundle


def exported(bundle: Bundle) -> Bundle:
    """The same model as an export makes it, with weights of 8 bits and a short list."""
    model, tokenizers = deepcopy(bundle.model), bundle.tokenizers
    with observed_limits(model) as limits:
        Translator(model, tokenizers, bundle.recipe.search).translate(SOURCES[:20])
    quantise(model, limits)
    texts = tokenizers.source.encode(SOURCES), tokenizers.target.encode(TARGETS)
    sizes = len(tokenizers.source), len(tokenizers.target)
    lexicon = learn_lexicon(*texts, *sizes, 8, 20, joint=tokenizers.joint)
    by_word, always = torch.from_numpy(lexicon.by_word), torch.from_numpy(lexicon.always)
    model.output.shortlist = Shortlist(by_word, always, len(tokenizers.target))
    return Bundle(model, bundle.recipe, tokenizers)


KINDS: dict[str, Callable[[Bundle], Bundle]] = {"trained": lambda bundle: bundle, "exported": exported}
"""What may become of a bundle before it is used."""


def saved(bundle: Bundle, folder: Path) -> Path:
    """The folder, with the bundle in it."""
    save_bundle(bundle, folder)
    return folder


def pairs(sources: list[str], targets: list[str]) -> Dataset:
    """Sentence pairs as `load_split` gives them."""
    return Dataset.from_dict({"source": sources, "target": targets})


def write_lines(path: Path, lines: Iterator[str] | list[str]) -> Path:
    """Writes plain text, a line feed after every line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


class _Pieces(io.RawIOBase):
    """Gives its content in given pieces, as a slow pipe does."""

    name, mode = "pieces", "rb"

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = (piece for piece in pieces if piece)
        self.rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.rest or next(self.pieces, b"")
        size = min(len(piece), len(buffer))
        buffer[:size], self.rest = piece[:size], piece[size:]
        return size


def piecewise(pieces: Iterable[bytes]) -> io.BufferedReader:
    """A buffered stream, such as standard input, whose content arrives piece by piece."""
    return io.BufferedReader(_Pieces(pieces))
