"""Padded tensors, and the plan of the batches."""

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.batch import BatchPlan, idle_batch, make_batch, source_tensors
from nmt.data.corpus import load_split
from nmt.data.encoded import encode_corpus
from nmt.recipe.data import DataOptions
from nmt.tokenizer import BOS, EOS, PAD, TokenizerPair, train_tokenizer
from tests.fixtures_text import make_recipe

MULTI30K = Path(__file__).parents[4] / "shared" / "data" / "multi30k"

Unit = Literal["sentences", "tokens"]
Lengths = npt.NDArray[np.int32]


def lengths(size: int, seed: int = 0, longest: int = 60) -> tuple[Lengths, Lengths]:
    """Lengths like those of real pairs: the sides are related."""
    random = np.random.default_rng(seed)
    source = random.integers(2, longest + 1, size)
    target = np.clip(source + random.integers(-3, 4, size), 2, longest)
    return source.astype(np.int32), target.astype(np.int32)


def plan(
    size: int,
    batch_size: int,
    unit: Unit = "sentences",
    seed: int = 1,
    world_size: int = 1,
    window: int = 100,
    shuffle: Literal["epoch", "once"] = "epoch",
) -> list[BatchPlan]:
    """The plans of all processes."""
    sides = lengths(size)
    return [BatchPlan(*sides, batch_size, unit, seed, rank, world_size, window, shuffle) for rank in range(world_size)]


def as_lists(batches: list[npt.NDArray[np.int64]]) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


# -- tensors ------------------------------------------------------------------------------------------------------


def test_a_batch_is_padded_on_the_right() -> None:
    batch = make_batch([[7, 8, 9], [5]], [[6], []])
    assert batch.src_ids.tolist() == [[7, 8, 9, EOS], [5, EOS, PAD, PAD]]
    assert batch.src_lengths.tolist() == [4, 2]
    assert batch.tgt_in.tolist() == [[BOS, 6], [BOS, PAD]]
    assert batch.tgt_out.tolist() == [[6, EOS], [EOS, PAD]]
    assert len(batch) == 2
    assert all(tensor.dtype == torch.int64 for tensor in vars(batch).values())
    ids, sizes = source_tensors([[7, 8, 9], [5]])
    assert torch.equal(ids, batch.src_ids)
    assert torch.equal(sizes, batch.src_lengths)


def test_a_batch_moves_as_a_whole() -> None:
    batch = make_batch([[7, 8]], [[6]])
    moved = batch.to(torch.device("meta"))
    for name, tensor in vars(batch).items():
        assert getattr(moved, name).device.type == "meta"
        assert getattr(moved, name).shape == tensor.shape


def test_an_idle_batch_has_a_source_but_nothing_to_predict() -> None:
    batch = idle_batch()
    assert batch.src_lengths.tolist() == [1]
    assert (batch.tgt_out == PAD).all()


# -- the plan -----------------------------------------------------------------------------------------------------


@given(
    size=st.integers(0, 400),
    batch_size=st.integers(1, 70),
    unit=st.sampled_from(["sentences", "tokens"]),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 1000),
    order=st.tuples(st.integers(1, 30), st.sampled_from(["epoch", "once"])),
)
def test_every_sentence_once_per_epoch_whatever_the_number_of_processes(
    size: int, batch_size: int, unit: Unit, seed: int, epoch: int, order: tuple[int, Literal["epoch", "once"]]
) -> None:
    whole = plan(size, batch_size, unit, seed, 1, *order)[0].epoch(epoch)
    assert sorted(index for batch in whole for index in batch.tolist()) == list(range(size))
    assert all(len(batch) for batch in whole)
    for world_size in (2, 3, 7):
        shares = [one.epoch(epoch) for one in plan(size, batch_size, unit, seed, world_size, *order)]
        assert {len(share) for share in shares} == {len(whole)}  # equal steps
        for batch, parts in zip(whole, zip(*shares, strict=True), strict=True):
            assert sorted(np.concatenate(parts).tolist()) == sorted(batch.tolist())
            sizes = [len(part) for part in parts]
            assert max(sizes) - min(sizes) <= 1


@given(
    sides=st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=200),
    batch_size=st.integers(1, 120),
    unit=st.sampled_from(["sentences", "tokens"]),
)
def test_no_batch_is_larger_than_asked_for(sides: list[tuple[int, int]], batch_size: int, unit: Unit) -> None:
    source, target = (np.array(side, dtype=np.int32) for side in zip(*sides, strict=True))
    for batch in BatchPlan(source, target, batch_size, unit).epoch(0):
        padded = max(source[batch].max(), target[batch].max()) if unit == "tokens" else 1
        assert len(batch) * padded <= batch_size or len(batch) == 1


@pytest.mark.parametrize(("unit", "batch_size"), [("sentences", 16), ("tokens", 500)])
def test_batches_are_filled(unit: Unit, batch_size: int) -> None:
    (one,) = plan(2000, batch_size, unit)
    longer = np.maximum(one.src_lengths, one.tgt_lengths)
    filled = [len(batch) * (int(longer[batch].max()) if unit == "tokens" else 1) for batch in one.epoch(0)]
    assert np.mean(filled) > 0.9 * batch_size


def test_the_plan_depends_on_seed_and_epoch_alone() -> None:
    (one,), (again,) = plan(5000, 16), plan(5000, 16)
    np.random.seed(5)  # the global state must not matter
    assert as_lists(one.epoch(3)) == as_lists(again.epoch(3))
    epochs = [as_lists(one.epoch(epoch)) for epoch in range(4)]
    other = as_lists(plan(5000, 16, seed=2)[0].epoch(0))
    assert len({str(found) for found in [*epochs, other]}) == 5
    # Not only the order of the batches differs, but who is with whom.
    assert len({frozenset(batch) for epoch in epochs for batch in epoch}) > 3.9 * len(epochs[0])


def test_neighbours_in_a_batch_are_of_similar_length_in_random_order() -> None:
    (one,) = plan(6400, 64)
    batches = one.epoch(0)
    spread = [np.ptp(one.src_lengths[batch]) for batch in batches]
    assert np.mean(spread) < 4
    means = np.array([one.src_lengths[batch].mean() for batch in batches])
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3


def test_shuffled_once_and_sorted_in_windows_of_twenty_batches() -> None:
    """Bahdanau et al. 2015, appendix B.2: every 20 updates 1,600 pairs are taken, sorted and split."""
    source, target = lengths(4000)
    one = BatchPlan(source, target, 80, "sentences", 1, sort_window=20, shuffle="once")
    batches = as_lists(one.epoch(0))
    assert batches == as_lists(one.epoch(7))
    assert [len(batch) for batch in batches] == [80] * 50
    longer = np.maximum(source, target)
    order = np.random.default_rng((1, 0)).permutation(4000)  # the shuffled corpus, read from beginning to end
    for update in range(0, 50, 20):
        window = [index for batch in batches[update : update + 20] for index in batch]
        assert set(window) == set(order[80 * update : 80 * (update + 20)].tolist())
        assert (np.diff(longer[window]) >= 0).all()


def test_a_window_of_one_batch_sorts_nothing() -> None:
    source, target = lengths(6400)
    one = BatchPlan(source, target, 64, "sentences", sort_window=1)
    spread = [np.ptp(source[batch]) for batch in one.epoch(0)]
    assert np.mean(spread) > 50  # of 58: each batch is a sample of all lengths
    assert as_lists(one.epoch(0)) != as_lists(one.epoch(1))


def waste(one: BatchPlan) -> float:
    """The share of padding in source and target tensors of an epoch."""
    real = padded = 0
    for batch in one.epoch(0):
        for side in (one.src_lengths, one.tgt_lengths):
            real += int(side[batch].sum())
            padded += len(batch) * int(side[batch].max())
    return 1 - real / padded


@pytest.mark.skipif(not MULTI30K.is_dir(), reason="needs the Multi30k corpus in ../shared/data")
def test_little_padding_on_real_text() -> None:
    dataset = load_split(DataOptions(path=str(MULTI30K), source="de", target="en"), "train")
    options = make_recipe(tokenizer={"vocab_size": 3000}).tokenizer
    few = dataset.select(range(5000))
    trained = train_tokenizer(options, [*few["source"], *few["target"]])
    corpus = encode_corpus(dataset, TokenizerPair(trained, trained), workers=1).usable(100)
    assert len(corpus) == 29_000
    sizes: list[tuple[int, Unit]] = [(64, "sentences"), (128, "sentences"), (1024, "tokens"), (4096, "tokens")]
    for batch_size, unit in sizes:
        assert waste(BatchPlan(corpus.src_lengths, corpus.tgt_lengths, batch_size, unit)) < 0.08
