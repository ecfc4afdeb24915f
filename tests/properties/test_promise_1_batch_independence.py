"""Promise 1: a sentence's translation does not depend on its batch: size, order, padding, or its neighbours."""

from contextlib import nullcontext
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.data.batch import make_batch, source_tensors
from nmt.model.ensemble import Ensemble
from nmt.model.fast.products import readable_steps
from nmt.search.beam import beam_search
from nmt.search.greedy import greedy_search
from nmt.search.types import Hypothesis, SearchSettings
from nmt.tokenizer import BOS, EOS, PAD
from tests.helpers import (
    ATTENTIONS,
    MECHANISMS,
    POINTERS,
    SEARCHES,
    SENTENCES,
    Ids,
    asked_search,
    assert_same_hypotheses,
    exported_model,
    practised_model,
    source_batch,
)

UNSEEN: list[Ids] = [(8, 4, 4, 6), (6, 6, 6, 6, 6, 6, 6), (5, 4, 7, 8, 7), (4, 8), (7, 8, 5, 6, 6, 4, 4, 8, 5, 5, 7, 6)]
POOL = SENTENCES + UNSEEN
Network = tuple[str, int | None, str]
"""Attention, layers, and the way through them: fast, readable, or exported (8 bits and a shortlist)."""

NETWORKS: list[Network] = [
    *((attention, 1, way) for attention in ATTENTIONS for way in ("fast", "exported")),
    *((mechanism, None, way) for mechanism in MECHANISMS for way in ("fast", "exported")),
    *((pointer, None, "fast") for pointer in POINTERS),
    ("general", 2, "fast"),
    ("general", 2, "exported"),
    ("general", 1, "readable"),
    ("additive", 1, "readable"),
]
SEARCHED = [
    *((network, 5) for network in NETWORKS),
    # A network does not know which search asks it, so one of each kind of attention and way will do.
    *((network, 1) for network in NETWORKS if network[0] in (*ATTENTIONS, *POINTERS)),
]


def translate(
    network: Network, beam_size: int, sources: list[Ids], padding: int = PAD, columns: int = 0
) -> list[list[Hypothesis]]:
    """Each sentence's hypotheses: the best one of greedy search with a beam of 1, else the three best."""
    attention, layers, way = network
    model = (exported_model if way == "exported" else practised_model)(attention, layers)
    src_ids, src_lengths = source_batch([(*source, EOS) for source in sources], padding, columns)
    search = SearchSettings(
        BOS,
        EOS,
        banned=(PAD, BOS),
        beam_size=beam_size,
        n_best=min(beam_size, 3),
        max_length_ratio=1.0,
        max_length_extra=4,
        min_length_ratio=0.4,
    )
    with readable_steps() if way == "readable" else nullcontext():
        if beam_size == 1:
            return [[best] for best in greedy_search(model, src_ids, src_lengths, search)]
        return beam_search(model, src_ids, src_lengths, search)


@cache
def alone(network: Network, beam_size: int) -> list[list[Hypothesis]]:
    """What comes out for each sentence of the pool by itself."""
    return [translate(network, beam_size, [source])[0] for source in POOL]


@pytest.mark.bare
@pytest.mark.parametrize(("network", "beam_size"), SEARCHED, ids=str)
@settings(max_examples=8)
@given(
    indices=st.lists(st.integers(0, len(POOL) - 1), min_size=1, max_size=8),
    padding=st.integers(0, 8),
    columns=st.integers(0, 3),
)
def test_a_translation_does_not_depend_on_its_batch(
    network: Network, beam_size: int, indices: list[int], padding: int, columns: int
) -> None:
    found = translate(network, beam_size, [POOL[index] for index in indices], padding, columns)
    assert len(found) == len(indices)
    for index, hypotheses in zip(indices, found, strict=True):
        assert_same_hypotheses(hypotheses, alone(network, beam_size)[index])


@pytest.mark.parametrize(("network", "beam_size"), SEARCHED, ids=str)
def test_nor_on_how_many_logits_are_made_at_once(
    network: Network, beam_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.model.output._LOGITS_AT_ONCE", {"cpu": 20})  # of two hypotheses, or of one sentence
    found = translate(network, beam_size, POOL)
    for hypotheses, expected in zip(found, alone(network, beam_size), strict=True):
        assert_same_hypotheses(hypotheses, expected)


@pytest.mark.parametrize(("network", "beam_size"), SEARCHED, ids=str)
def test_the_whole_pool_forwards_and_backwards(network: Network, beam_size: int) -> None:
    expected = alone(network, beam_size)
    for sources, hypotheses in ((POOL, expected), (POOL[::-1], expected[::-1])):
        for ours, theirs in zip(translate(network, beam_size, sources), hypotheses, strict=True):
            assert_same_hypotheses(ours, theirs)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_the_translations_are_not_all_alike(network: Network) -> None:
    """Else the tests above would say little."""
    best = [hypotheses[0].tokens for hypotheses in alone(network, 5)]
    assert len({tuple(tokens) for tokens in best}) >= 6
    assert len({len(tokens) for tokens in best}) >= 4


def test_the_batch_is_made_as_the_translator_makes_it() -> None:
    ours, theirs = source_batch([(*source, EOS) for source in POOL], PAD), source_tensors(POOL)
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours[1], theirs[1])


ASKED = [
    (asked, network) for asked in SEARCHES for network in ("general", "additive", "ensemble", "exported", "pointers")
]
ASKED.remove(("prefixed", "exported"))  # a shortlist need not hold the words, which is said
ASKED.remove(("constrained", "exported"))


@cache
def asked_model(network: str) -> Any:
    """A network, one made small and fast, or two together."""
    if network == "exported":
        return exported_model("general")
    if network == "ensemble":
        return Ensemble([practised_model("general"), practised_model("concat")])
    if network == "pointers":
        return Ensemble([practised_model(pointer) for pointer in POINTERS])
    return practised_model(network)


def asked_for(asked: str, network: str, indices: list[int], padding: int = PAD, columns: int = 0) -> Any:
    """What a search finds of which something is asked, each sentence being known by its place in the pool."""
    batch = source_batch([(*POOL[index], EOS) for index in indices], padding, columns)
    settings = SearchSettings(BOS, EOS, (PAD, BOS), 4, 3, max_length_ratio=1.0, max_length_extra=4)
    return asked_search(asked, asked_model(network), batch, settings, indices)


@cache
def asked_alone(asked: str, network: str) -> Any:
    """The same for each sentence of the pool by itself."""
    return [asked_for(asked, network, [index])[0] for index in range(len(POOL))]


@pytest.mark.bare
@pytest.mark.parametrize(("asked", "network"), ASKED)
@settings(max_examples=5)
@given(
    indices=st.lists(st.integers(0, len(POOL) - 1), min_size=1, max_size=8),
    padding=st.integers(0, 8),
    columns=st.integers(0, 3),
)
def test_nor_does_it_whatever_is_asked_of_the_search(
    asked: str, network: str, indices: list[int], padding: int, columns: int
) -> None:
    found = asked_for(asked, network, indices, padding, columns)
    for index, hypotheses in zip(indices, found, strict=True):
        assert hypotheses
        assert_same_hypotheses(hypotheses, asked_alone(asked, network)[index])


@pytest.mark.parametrize(("asked", "network"), ASKED)
def test_nor_then_on_how_many_logits_are_made_at_once(
    asked: str, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.model.output._LOGITS_AT_ONCE", {"cpu": 40})
    found = asked_for(asked, network, [*range(len(POOL))])
    for ours, alone in zip(found, asked_alone(asked, network), strict=True):
        assert_same_hypotheses(ours, alone)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_an_alignment_does_not_depend_on_its_batch(network: Network) -> None:
    attention, layers, way = network
    model = (exported_model if way == "exported" else practised_model)(attention, layers)
    with readable_steps() if way == "readable" else nullcontext():
        batch = make_batch(POOL, POOL[::-1])
        together = model.weights(batch.src_ids, batch.src_lengths, batch.tgt_in)
        for index, (source, target) in enumerate(zip(POOL, POOL[::-1], strict=True)):
            single = make_batch([source], [target])
            by_itself = model.weights(single.src_ids, single.src_lengths, single.tgt_in)
            assert (together is None) == (by_itself is None) == (attention in ("none", "summary"))
            if together is not None and by_itself is not None:
                found = together[index, : len(target) + 1]
                torch.testing.assert_close(found[:, : len(source) + 1], by_itself[0], rtol=1e-4, atol=1e-5)
                assert not found[:, len(source) + 1 :].any()
