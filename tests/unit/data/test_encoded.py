"""The tokenized corpus, its cache, and the loader of the training batches."""

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

from nmt.data import encoded
from nmt.data.batch import Batch, BatchPlan, make_batch
from nmt.data.corpus import load_split
from nmt.data.encoded import EncodedCorpus, encode_corpus
from nmt.data.loader import BatchLoader, ValidationLoader
from nmt.preparation import Preparation
from nmt.recipe.data import DataOptions
from nmt.tokenizer import EOS, PAD, Tokenizer, TokenizerPair
from tests.fixtures_text import ODD_LINES, SOURCES, TARGETS, pairs, tokenizer, tokenizer_pair, write_lines

PAIR = tokenizer_pair(joint=False)
RICH = TokenizerPair(tokenizer("unigram", 600), tokenizer("unigram", 600))
"""With enough pieces for many segmentations."""


@pytest.fixture
def on_disk(tmp_path: Path) -> Dataset:
    """A corpus from two text files, memory-mapped."""
    files = [write_lines(tmp_path / "a.de", SOURCES), write_lines(tmp_path / "a.en", TARGETS)]
    return load_split(DataOptions(path=[str(file) for file in files]), "train")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts each call of the tokenizers was given."""
    seen: list[int] = []
    encode = Tokenizer.encode

    def counting(self: Tokenizer, texts: Sequence[str], *more: Sequence[Sequence[str]]) -> list[list[int]]:
        seen.append(len(texts))
        return encode(self, texts, *more)

    monkeypatch.setattr(Tokenizer, "encode", counting)
    return seen


def test_nothing_is_written_into_the_folder_of_the_data(tmp_path: Path) -> None:
    Dataset.from_dict({"source": ["eins"] * 30, "target": ["one"] * 30}).save_to_disk(tmp_path / "data")
    before = sorted(path.name for path in (tmp_path / "data").iterdir())
    for _ in range(2):
        encoded = encode_corpus(Dataset.load_from_disk(tmp_path / "data"), PAIR, 1)
        assert len(encoded) == 30
        assert encoded.dataset.cache_files
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == before


def loader(corpus: EncodedCorpus, batch_size: int = 16, **fields: Any) -> BatchLoader:
    """The batches of an epoch."""
    names = ("seed", "rank", "world_size")
    plan = {name: fields.pop(name) for name in names if name in fields}
    whole = BatchPlan(corpus.src_lengths, corpus.tgt_lengths, batch_size, "sentences", **plan)
    return BatchLoader(corpus, whole, **{"epoch": 0, "tokenizers": PAIR, **fields})


def same(one: Batch, other: Batch) -> bool:
    """Whether two batches hold the same."""
    return all(torch.equal(tensor, getattr(other, name)) for name, tensor in vars(one).items())


@pytest.fixture(scope="module")
def corpus() -> EncodedCorpus:
    """Two hundred pairs."""
    return encode_corpus(pairs(SOURCES[:200], TARGETS[:200]), PAIR, workers=1)


# -- encoding -----------------------------------------------------------------------------------------------------


def test_the_ids_are_those_of_the_tokenizers() -> None:
    texts = [line[:2000] for line in ODD_LINES]
    corpus = encode_corpus(pairs(texts, texts[::-1]), PAIR, workers=1)
    assert corpus.dataset["src_ids"][:] == PAIR.source.encode(texts)
    assert corpus.dataset["tgt_ids"][:] == PAIR.target.encode(texts[::-1])
    assert corpus.dataset["source"][:] == texts
    assert corpus.src_lengths.tolist() == [len(ids) + 1 for ids in PAIR.source.encode(texts)]
    assert corpus.tgt_lengths.tolist() == [len(ids) + 1 for ids in PAIR.target.encode(texts[::-1])]
    assert len(corpus) == len(texts)


def test_the_ids_are_of_prepared_text_beside_the_raw_one(on_disk: Dataset) -> None:
    moses = TokenizerPair(
        *(side.with_preparation(Preparation(moses=True, language="de")) for side in (PAIR.source, PAIR.target))
    )
    texts = ["Eins, zwei!", "drei"]
    corpus = encode_corpus(pairs(texts, texts), moses, workers=1)
    assert corpus.dataset["source"][:] == texts
    assert corpus.dataset["src_ids"][:] == PAIR.source.encode(["Eins , zwei !", "drei"])
    plain = encode_corpus(on_disk, PAIR, workers=1)
    assert encode_corpus(on_disk, moses, workers=1).dataset._fingerprint != plain.dataset._fingerprint


def test_missing_text_is_empty() -> None:
    gaps = Dataset.from_dict({"source": ["eins", None], "target": [None, "two"]})
    corpus = encode_corpus(gaps, PAIR, workers=1)
    assert corpus.dataset["source"][:] == ["eins", ""]
    assert corpus.dataset["target"][:] == ["", "two"]
    assert corpus.src_lengths[1] == corpus.tgt_lengths[0] == 1
    assert corpus.usable(100).blank == 2


def test_a_corpus_is_tokenized_once(on_disk: Dataset, calls: list[int]) -> None:
    first = encode_corpus(on_disk, PAIR, workers=1)
    assert sum(calls) == len(SOURCES) + len(TARGETS)
    calls.clear()
    second = encode_corpus(on_disk, PAIR, workers=1)
    assert calls == []
    assert second.dataset[:] == first.dataset[:]
    assert second.src_lengths.tolist() == first.src_lengths.tolist()
    other = encode_corpus(on_disk, TokenizerPair(PAIR.target, PAIR.source), workers=1)
    assert sum(calls) == len(SOURCES) + len(TARGETS)
    assert other.dataset["src_ids"][:] != first.dataset["src_ids"][:]
    calls.clear()
    encode_corpus(on_disk.select(range(100)), PAIR, workers=1)
    assert sum(calls) == 200


def test_two_processes_give_what_one_gives(on_disk: Dataset, calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    one = encode_corpus(on_disk, PAIR, workers=1).dataset[:]
    calls.clear()
    monkeypatch.setattr(encoded, "_SMALL", 10)
    copy = on_disk.select([*range(len(on_disk))][::-1]).select([*range(len(on_disk))][::-1])  # not in the cache
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        two = encode_corpus(copy, PAIR, workers=2).dataset[:]
    assert two == one
    assert calls == []  # others did the work


def test_pairs_that_are_of_no_use_are_dropped_and_counted() -> None:
    sources = ["eins", "", "zwei", " \t\u3000", "drei", "x " * 20, "", "vier", "x " * 20]
    targets = ["one", "two", "", "three", "x " * 20, "four", "", "five", "\u2028"]
    corpus = encode_corpus(pairs(sources, targets), PAIR, workers=1)
    assert len(corpus) == len(sources)  # nothing is dropped unless it is asked for: validation keeps all its lines
    assert corpus.blank == corpus.too_long == 0
    usable = corpus.usable(15)
    assert usable.dataset["source"][:] == ["eins", "vier"]
    assert usable.src_lengths.tolist() == corpus.src_lengths[[0, 7]].tolist()
    assert usable.tgt_lengths.tolist() == corpus.tgt_lengths[[0, 7]].tolist()
    assert (usable.blank, usable.too_long) == (5, 2)


def test_the_longest_length_is_still_used() -> None:
    corpus = encode_corpus(pairs(SOURCES[:50], TARGETS[:50]), PAIR, workers=1)
    longest = int(max(corpus.src_lengths.max(), corpus.tgt_lengths.max())) - 1  # without the end
    assert corpus.usable(longest).too_long == 0
    assert corpus.usable(longest - 1).too_long > 0


# -- cutting ------------------------------------------------------------------------------------------------------


def test_sides_are_cut_before_the_longest_are_dropped() -> None:
    corpus = encode_corpus(pairs(SOURCES[:60], TARGETS[:60]), PAIR, workers=1)
    cut = corpus.cut(6, None).usable(8)
    kept = [row for row in zip(SOURCES, PAIR.target.encode(TARGETS[:60]), strict=False) if len(row[1]) <= 8]
    assert 0 < len(cut) == len(kept) < 60
    sources = PAIR.source.encode([source for source, _ in kept])
    assert cut.cut_pairs == sum(len(source) > 6 for source in sources) > 0
    assert cut.src_lengths.tolist() == [min(len(source), 6) + 1 for source in sources]
    assert corpus.cut(None, 5).cut_pairs == int((corpus.tgt_lengths > 6).sum())
    assert corpus.cut(6, 5).cut(3, None).cut(3, None).src_lengths.max() == 4  # a phase of the training cuts more


@pytest.mark.parametrize("sampling", [None, 0.3])
def test_batches_hold_the_first_pieces_and_the_end(sampling: float | None) -> None:
    whole = encode_corpus(pairs(SOURCES[:60], TARGETS[:60]), PAIR, workers=1)
    (cut,) = loader(whole.cut(4, 3), batch_size=60, subword_sampling=sampling)
    assert (cut.src_ids.shape, cut.tgt_out.shape) == ((60, 5), (60, 4))
    ends = cut.src_ids.gather(1, cut.src_lengths[:, None] - 1), (cut.tgt_out == EOS).sum(dim=1)
    assert (ends[0] == EOS).all()
    assert (ends[1] == 1).all()
    if sampling is None:
        ids = zip(PAIR.source.encode(SOURCES[:60]), PAIR.target.encode(TARGETS[:60]), strict=True)
        rows = zip(cut.src_ids.tolist(), cut.src_lengths.tolist(), cut.tgt_in.tolist(), strict=True)
        found = [(row[: size - 1], [piece for piece in target[1:] if piece != PAD]) for row, size, target in rows]
        assert sorted(found) == sorted((source[:4], target[:3]) for source, target in ids)
    assert [batch.src_ids.shape[1] for batch in ValidationLoader(whole.cut(4, None), 60)] == [5]


def test_a_word_that_stood_in_what_was_cut_off_is_unknown() -> None:
    words = tokenizer("word")
    copying = TokenizerPair(words, words, copies=True)
    source, target = "eins Quux zwei Foo", "Foo Quux eins Bar"
    corpus = encode_corpus(pairs([source] * 2, [target] * 2), copying, workers=1)
    rows = corpus.dataset[:]
    for length in (None, 4, 3, 2, 1):
        (read,) = copying.encode_sources([source])
        expected = copying.encode_targets([target], [read.cut(length)])
        sources, targets = corpus.cut(length, None).cut_ids(rows["src_ids"], rows["tgt_ids"])
        assert (sources[0], targets[0]) == (read.cut(length).ids, *expected)


def test_validation_sees_every_line_once() -> None:
    texts = ["", *SOURCES[:20], "x " * 300, " "]
    corpus = encode_corpus(pairs(texts, texts), PAIR, workers=1)
    wanted = sorted(map(tuple, PAIR.target.encode(texts)))
    for world_size in (1, 2, 3, 30):
        loaders = [ValidationLoader(corpus, 4, rank, world_size) for rank in range(world_size)]
        batches = [batch for one in loaders for batch in one]
        rows = [row for batch in batches for row in batch.tgt_in.tolist()]
        assert sorted(tuple(piece for piece in row[1:] if piece != PAD) for row in rows) == wanted
        assert all(len(list(one)) in (len(one), len(one) - 1) for one in loaders)


# -- batches ------------------------------------------------------------------------------------------------------


def test_the_batches_are_those_of_the_plan(corpus: EncodedCorpus) -> None:
    given_ = loader(corpus)
    batches = list(given_)
    assert len(batches) == len(given_) == 13
    for batch, indices in zip(batches, given_.plan.epoch(0), strict=True):
        rows = corpus.dataset[indices]
        assert same(batch, make_batch(rows["src_ids"], rows["tgt_ids"]))


@pytest.mark.parametrize("sampling", [None, 0.3])
def test_a_resumed_epoch_goes_on_exactly(corpus: EncodedCorpus, sampling: float | None) -> None:
    whole = list(loader(corpus, epoch=4, subword_sampling=sampling))
    for stop in (0, 1, 5, 13):
        first = loader(corpus, epoch=4, subword_sampling=sampling)
        begun = list(itertools.islice(first, stop))
        state = first.state_dict()
        list(itertools.islice(loader(corpus, epoch=1, subword_sampling=0.5), 3))  # others may sample in between
        resumed = loader(corpus, epoch=4, subword_sampling=sampling)
        resumed.load_state_dict(state)
        rest = list(resumed)
        assert len(begun) + len(rest) == len(whole)
        assert all(same(a, b) for a, b in zip(whole, [*begun, *rest], strict=True))


def test_the_state_of_another_epoch_does_not_matter(corpus: EncodedCorpus) -> None:
    later = loader(corpus, epoch=1)
    later.load_state_dict({"epoch": 0, "position": 7})
    assert len(list(later)) == len(later)


def test_a_process_without_a_share_idles() -> None:
    corpus = encode_corpus(pairs(SOURCES[:7], TARGETS[:7]), PAIR, workers=1)
    tokens = []
    for rank in range(4):
        batches = list(loader(corpus, batch_size=3, rank=rank, world_size=4))
        assert len(batches) == 3
        tokens.append(sum(int((batch.tgt_out != PAD).sum()) for batch in batches))
    assert sum(tokens) == corpus.tgt_lengths.sum()
    assert tokens[3] == 0


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_sampled_batches_spell_the_same_text(corpus: EncodedCorpus, world_size: int) -> None:
    sampled: list[str] = []
    for rank in range(world_size):
        for batch in loader(corpus, epoch=2, subword_sampling=0.2, rank=rank, world_size=world_size):
            sources = [row[: size - 1] for row, size in zip(batch.src_ids.tolist(), batch.src_lengths, strict=True)]
            sampled += PAIR.source.decode(sources)
    assert sorted(sampled) == sorted(SOURCES[:200])


def test_sampling_depends_on_seed_epoch_and_position_alone(corpus: EncodedCorpus) -> None:
    def sampled(**fields: int) -> list[Batch]:
        return list(loader(corpus, subword_sampling=0.2, **fields))

    first = sampled(epoch=3)
    PAIR.source.sample(SOURCES, 0.1, np.random.default_rng(9))
    fresh = TokenizerPair(Tokenizer(PAIR.source.model), Tokenizer(PAIR.target.model))
    assert all(same(a, b) for a, b in zip(first, sampled(epoch=3), strict=True))
    other_process = loader(corpus, epoch=3, tokenizers=fresh, subword_sampling=0.2)
    assert all(same(a, b) for a, b in zip(first, other_process, strict=True))
    assert not any(same(a, b) for a, b in zip(first, sampled(epoch=3, seed=1), strict=True))


def test_sampling_differs_between_epochs_and_places() -> None:
    lines = [max(SOURCES, key=len)] * 64
    corpus = encode_corpus(pairs(lines, lines), PAIR, workers=1)
    seen = set()
    for epoch in range(5):
        batches = loader(corpus, epoch=epoch, subword_sampling=0.1, tokenizers=RICH)
        seen |= {tuple(filter(None, row)) for batch in batches for row in batch.src_ids.tolist()}
    assert len(seen) > 0.5 * 5 * len(lines)


def test_without_sampling_epochs_differ_in_order_only(corpus: EncodedCorpus) -> None:
    def rows(epoch: int) -> list[tuple[int, ...]]:
        batches = list(loader(corpus, epoch=epoch))
        return [tuple(filter(None, row)) for batch in batches for row in batch.src_ids.tolist()]

    assert rows(0) != rows(1)
    assert sorted(rows(0)) == sorted(rows(1))


def test_a_corpus_is_not_changed_by_what_is_made_of_it(corpus: EncodedCorpus) -> None:
    before = corpus.dataset[:]
    list(loader(corpus, subword_sampling=0.2))
    replace(corpus).usable(5)
    assert corpus.dataset[:] == before
