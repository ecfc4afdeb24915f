"""Promise 3: scores are forced-decoding log-probabilities, beam 1 is greedy, a wide beam is exhaustive.

And asking for n best does not change the first.
"""

import math
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.data.batch import make_batch, source_tensors
from nmt.model.fast.products import readable_steps
from nmt.model.seq2seq import Seq2Seq
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
    Table,
    TableModel,
    all_hypotheses,
    asked_search,
    assert_same_hypotheses,
    exported_model,
    hashed_table,
    longest,
    normalise,
    practised_model,
    slow_beam,
    source_batch,
)

ALPHAS = [0.0, 0.6, 1.0, 2.0]


@dataclass(frozen=True)
class Problem:
    """A table, the sources to translate by it, and how."""

    salt: int
    vocab: int
    sharpness: float
    ending: float
    sources: list[Ids]
    options: dict[str, Any]

    @cached_property
    def table(self) -> Table:
        """The probabilities."""
        return hashed_table(self.salt, self.vocab, self.sharpness, self.ending)

    @cached_property
    def search(self) -> SearchSettings:
        """How to search."""
        return SearchSettings(bos=0, eos=1, **self.options)

    def but(self, **options: float) -> "Problem":
        """The same problem, searched a little differently."""
        return replace(self, options={**self.options, **options})

    def beam(self, model: TableModel | None = None) -> list[list[Hypothesis]]:
        """What beam search finds."""
        return beam_search(model or TableModel(self.table), *source_batch(self.sources), self.search)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Three or four tokens besides the begin; up to four sources, each with its own bounds for the length."""
    vocab = draw(st.integers(4, 5))
    beam_size = draw(st.integers(1, 7))
    options = {
        "banned": draw(st.sampled_from([(0,), (0,), (0, 3)])),
        "beam_size": beam_size,
        "n_best": min(draw(st.sampled_from([1, 1, 2, 7])), beam_size),
        "length_penalty": draw(st.sampled_from(ALPHAS)),
        "max_length_ratio": draw(st.sampled_from([2.0, 1.0, 0.5, 0.0])),
        "max_length_extra": draw(st.integers(1, 2)),
        "min_length_ratio": draw(st.sampled_from([0.0, 0.0, 0.25, 1.0, 3.0])),
        "min_length_extra": draw(st.sampled_from([0, 0, 0, 2, 9])),
    }
    lengths = draw(st.sampled_from([(3, 1, 4, 2), (1, 4), (2, 2, 1), (1,), (4, 2)]))
    word = st.integers(2, vocab - 1)
    return Problem(
        salt=draw(st.integers(0, 2**32)),
        vocab=vocab,
        sharpness=draw(st.sampled_from([4.0, 2.0, 8.0])),
        ending=draw(st.sampled_from([0.0, 1.0, 2.0, 4.0])),
        sources=[tuple(draw(st.lists(word, min_size=length, max_size=length))) for length in lengths],
        options=options,
    )


@pytest.mark.bare
@given(problems(), st.sampled_from(["all", "some", "one"]))
@settings(max_examples=60)
def test_a_beam_wide_enough_is_exhaustive(problem: Problem, n_best: str) -> None:
    problem = problem.but(max_length_ratio=0.5)  # 364 translations at most
    expected = [all_hypotheses(problem.table, source, problem.search) for source in problem.sources]
    enough = max(map(len, expected))
    n = {"all": enough, "some": min(3, enough), "one": 1}[n_best]
    found = problem.but(beam_size=enough, n_best=n).beam()
    for hypotheses, best in zip(found, expected, strict=True):
        assert_same_hypotheses(hypotheses, best[:n])


@pytest.mark.bare
@given(problems())
@settings(max_examples=100)
def test_a_beam_of_one_is_greedy(problem: Problem) -> None:
    problem = problem.but(beam_size=1, n_best=1)
    greedy = greedy_search(TableModel(problem.table), *source_batch(problem.sources), problem.search)
    for ours, theirs in zip(problem.beam(), greedy, strict=True):
        assert_same_hypotheses(ours, [theirs])


@pytest.mark.bare
@given(problems())
@settings(max_examples=100)
def test_no_sentence_stops_while_an_open_hypothesis_can_still_win(problem: Problem) -> None:
    """The same n best as of a search that goes on to the very end."""
    for source, hypotheses in zip(problem.sources, problem.beam(), strict=True):
        expected = slow_beam(problem.table, source, problem.search).finished
        assert_same_hypotheses(hypotheses, expected[: problem.search.n_best])


@pytest.mark.bare
@given(problems())
@settings(max_examples=100)
def test_a_finished_sentence_leaves_the_batch(problem: Problem) -> None:
    """The model is asked for the open hypotheses of the open sentences, as many rows for each as for the widest."""
    model = TableModel(problem.table)
    problem.beam(model)
    slow = [(source, slow_beam(problem.table, source, problem.search)) for source in problem.sources]
    expected: list[list[Ids]] = []
    for step in range(max(beam.useful for _, beam in slow)):
        still_open = [(source, beam.widths[step]) for source, beam in slow if beam.useful > step]
        width = max(width for _, width in still_open)
        expected.append([source for source, _ in still_open for _ in range(width)])
    assert model.asked == expected


@pytest.mark.bare
@given(problems())
@settings(max_examples=60)
def test_asking_for_more_does_not_change_the_first(problem: Problem) -> None:
    first = problem.but(n_best=1).beam()
    for n in range(2, problem.search.beam_size + 1):
        for few, many in zip(first, problem.but(n_best=n).beam(), strict=True):
            assert len(few) == 1
            assert_same_hypotheses(many[:1], few)


@pytest.mark.bare
@given(problems())
@settings(max_examples=100)
def test_every_hypothesis_ends_within_its_bounds_and_has_its_own_score(problem: Problem) -> None:
    search = problem.search
    for source, hypotheses in zip(problem.sources, problem.beam(), strict=True):
        most = longest(source, search)
        fewest = min(math.ceil(search.min_length_ratio * len(source)) + search.min_length_extra, most)
        assert 1 <= len(hypotheses) <= search.n_best
        assert len({tuple(found.tokens) for found in hypotheses}) == len(hypotheses)
        assert [found.score for found in hypotheses] == sorted((found.score for found in hypotheses), reverse=True)
        for found in hypotheses:
            assert fewest <= len(found.tokens) <= most
            assert not {search.bos, search.eos, *search.banned}.intersection(found.tokens)
            path = [*found.tokens, search.eos]
            log_prob = math.fsum(problem.table(source, tuple(path[:place]))[token] for place, token in enumerate(path))
            assert found.log_prob == pytest.approx(log_prob, abs=1e-5)
            assert found.score == pytest.approx(normalise(log_prob, len(found.tokens), search.length_penalty), abs=1e-5)


def forced(model: Seq2Seq, pairs: list[tuple[Ids, list[int]]]) -> list[float]:
    """The log-probabilities that the training's pass gives to these translations of these sources.

    With a shortlist, those among the candidates of the source.
    """
    batch = make_batch([source for source, _ in pairs], [tokens for _, tokens in pairs])
    if model.pointer is not None:
        real = batch.tgt_out != PAD
        words = model.log_probs(batch.src_ids, batch.src_lengths, batch.tgt_in, batch.tgt_out, real)
        return [float(found.sum()) for found in torch.split(words, real.sum(dim=1).tolist())]
    outputs, _ = model(batch.src_ids, batch.src_lengths, batch.tgt_in)
    logits = model.output(outputs)
    if model.output.shortlist is not None:
        words, penalty = model.output.shortlist(batch.src_ids, batch.src_lengths)
        everything = torch.full((len(pairs), logits.shape[2]), -torch.inf)
        logits = logits + everything.index_copy(1, words, penalty)[:, None]
    log_probs = logits.log_softmax(dim=-1).tolist()
    return [
        math.fsum(log_probs[row][place][token] for place, token in enumerate([*tokens, EOS]))
        for row, (_, tokens) in enumerate(pairs)
    ]


NETWORKS = [
    *((name, way) for name in ATTENTIONS for way in ("fast", "readable", "exported")),
    *((name, way) for name in MECHANISMS for way in ("fast", "exported")),
    *((name, "fast") for name in POINTERS),
]


@pytest.mark.bare
@pytest.mark.parametrize(
    ("attention", "way", "beam_size", "alpha"),
    [
        *((*network, beam_size, 1.0) for network in NETWORKS for beam_size in (1, 5)),
        *(("general", "fast", 5, alpha) for alpha in ALPHAS if alpha != 1.0),  # of which a network knows nothing
    ],
)
def test_a_networks_score_is_its_forced_decoding_log_probability(
    attention: str, way: str, beam_size: int, alpha: float
) -> None:
    model = (exported_model if way == "exported" else practised_model)(attention)
    search = SearchSettings(
        BOS,
        EOS,
        (PAD, BOS),
        beam_size,
        beam_size,
        length_penalty=alpha,
        max_length_ratio=1.0,
        max_length_extra=3,
        min_length_ratio=0.5,
    )
    with readable_steps() if way == "readable" else nullcontext():
        found = beam_search(model, *source_tensors(SENTENCES), search)
        if beam_size == 1:
            for ours, theirs in zip(found, greedy_search(model, *source_tensors(SENTENCES), search), strict=True):
                assert_same_hypotheses(ours, [theirs])
    assert all(found)
    pairs = [(source, best) for source, hypotheses in zip(SENTENCES, found, strict=True) for best in hypotheses]
    log_probs = forced(model, [(source, hypothesis.tokens) for source, hypothesis in pairs])
    for (_, hypothesis), log_prob in zip(pairs, log_probs, strict=True):
        assert hypothesis.log_prob == pytest.approx(log_prob, abs=1e-4)
        assert hypothesis.score == pytest.approx(normalise(log_prob, len(hypothesis.tokens), alpha), abs=1e-4)


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_a_networks_wide_beam_is_exhaustive(attention: str, alpha: float) -> None:
    """All 31 translations of up to two of the five words, each forced by itself."""
    model = practised_model(attention)
    search = SearchSettings(
        BOS,
        EOS,
        (PAD, BOS, 1),
        beam_size=31,
        n_best=31,
        length_penalty=alpha,
        max_length_ratio=0.0,
        max_length_extra=2,
    )
    sources: list[Ids] = [(5,), (8, 4, 4, 6)]
    words = range(4, 9)
    all_tokens: list[list[int]] = [
        [],
        *([word] for word in words),
        *([first, second] for first in words for second in words),
    ]
    found = beam_search(model, *source_tensors(sources), search)
    for source, hypotheses in zip(sources, found, strict=True):
        log_probs = forced(model, [(source, tokens) for tokens in all_tokens])
        scores = [
            normalise(log_prob, len(tokens), alpha) for log_prob, tokens in zip(log_probs, all_tokens, strict=True)
        ]
        assert [hypothesis.score for hypothesis in hypotheses] == pytest.approx(sorted(scores, reverse=True), abs=1e-4)
        assert sorted(hypothesis.tokens for hypothesis in hypotheses) == sorted(all_tokens)


def test_a_network_in_float64_is_searched_in_float64() -> None:
    """So a training in double precision is evaluated in double precision."""
    model = deepcopy(practised_model("general")).double()
    search = SearchSettings(BOS, EOS, (PAD, BOS), beam_size=3, max_length_ratio=1.0, max_length_extra=3)
    found = beam_search(model, *source_tensors(SENTENCES), search)
    log_probs = forced(model, [(source, best.tokens) for source, (best,) in zip(SENTENCES, found, strict=True)])
    assert [best.log_prob for (best,) in found] == pytest.approx(log_probs, abs=1e-12)


@pytest.mark.parametrize("way", ["fast", "exported", *POINTERS])
@pytest.mark.parametrize("asked", SEARCHES)
def test_so_is_its_score_whatever_is_asked_of_the_search(asked: str, way: str) -> None:
    """The log-probability is the model's; the score adds nothing but the coverage penalty."""
    if way == "exported" and asked in ("prefixed", "constrained"):
        pytest.skip("a shortlist need not hold the words that are asked for")
    model = exported_model("general") if way == "exported" else practised_model("general" if way == "fast" else way)
    search = SearchSettings(BOS, EOS, (PAD, BOS), 4, 4, max_length_ratio=1.0, max_length_extra=3)
    found = asked_search(asked, model, source_tensors(SENTENCES), search, range(len(SENTENCES)))
    assert all(found)
    pairs = [(source, best) for source, hypotheses in zip(SENTENCES, found, strict=True) for best in hypotheses]
    log_probs = forced(model, [(source, hypothesis.tokens) for source, hypothesis in pairs])
    for (source, hypothesis), log_prob in zip(pairs, log_probs, strict=True):
        assert hypothesis.log_prob == pytest.approx(log_prob, abs=1e-4)
        batch = make_batch([source], [hypothesis.tokens])
        weights = model.weights(batch.src_ids, batch.src_lengths, batch.tgt_in)
        assert weights is not None
        looked = weights.double().sum(dim=1)[0]
        wu, summary = looked.clamp(max=1.0).log().sum(), len(source) - looked[:-1].clamp(min=1.0).sum()
        bonus = 0.3 * {"covered": wu.item(), "unrepeated": summary.item()}.get(asked, 0.0)
        assert hypothesis.score == pytest.approx(normalise(log_prob, len(hypothesis.tokens), 1.0) + bonus, abs=1e-4)


@pytest.mark.parametrize("asked", sorted(SEARCHES.keys() - {"sampled"}))
def test_nor_does_asking_for_more_change_the_first_then(asked: str) -> None:
    for n_best in (1, 2):
        search = SearchSettings(BOS, EOS, (PAD, BOS), 4, n_best, max_length_ratio=1.0, max_length_extra=3)
        few, many = (
            asked_search(asked, practised_model("general"), source_tensors(SENTENCES), each, range(len(SENTENCES)))
            for each in (search, replace(search, n_best=4))
        )
        for ours, theirs in zip(few, many, strict=True):
            assert_same_hypotheses(ours, theirs[:n_best])
