"""Random translations: how often each comes, against the exact probabilities of tables."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from nmt.search.processors import BlockedNgrams, ForcedPrefixes
from nmt.search.sampling import Sampling, sample
from nmt.search.types import Hypothesis, SearchSettings
from tests.helpers import (
    Ids,
    Table,
    TableModel,
    TableState,
    all_hypotheses,
    hashed_table,
    next_tokens,
    repeats,
    restricted,
    source_batch,
)

BOS, EOS, VOCAB = 0, 1, 5
SOURCES: list[Ids] = [(2,), (3, 2, 4), (4, 4)]
SETTINGS = SearchSettings(BOS, EOS, banned=(BOS,), max_length_ratio=0.5, max_length_extra=1)
TABLE = hashed_table(5, VOCAB, sharpness=3.0)


def draw(
    sources: list[Ids], n: int, sampling: Sampling, settings: SearchSettings = SETTINGS, numbers: tuple[int, ...] = ()
) -> list[list[Hypothesis]]:
    given = numbers or range(len(sources))
    return sample(TableModel(TABLE), *source_batch(sources), settings, n, given, sampling)


def shares(table: Table, source: Ids, temperature: float, top_k: int | None) -> dict[Ids, float]:
    """The exact probability of every translation, each step's renormalised over what may come."""

    def step(source: Ids, prefix: Ids) -> list[float]:
        words = next_tokens(len(prefix), source, VOCAB, SETTINGS)
        answers = table(source, prefix)
        kept = sorted((word for word in words if answers[word] > -math.inf), key=lambda word: -answers[word])[:top_k]
        weights = {word: math.exp(answers[word] / temperature) for word in kept}
        total = math.fsum(weights.values())
        return [math.log(weights[word] / total) if word in weights else -math.inf for word in range(VOCAB)]

    return {tuple(found.tokens): math.exp(found.log_prob) for found in all_hypotheses(step, source, SETTINGS)}


def assert_drawn_from(found: list[Hypothesis], expected: dict[Ids, float]) -> None:
    """Pearson's statistic below what one of a million samples exceeds, by the approximation of Wilson and Hilferty."""
    assert math.fsum(expected.values()) == pytest.approx(1.0)
    counts = Counter(tuple(hypothesis.tokens) for hypothesis in found)
    assert counts.keys() <= expected.keys()
    frequent = {tokens: share * len(found) for tokens, share in expected.items() if share * len(found) >= 5}
    statistic = sum((counts[tokens] - mean) ** 2 / mean for tokens, mean in frequent.items())
    rest = sum(count for tokens, count in counts.items() if tokens not in frequent)
    mean_rest = len(found) - sum(frequent.values())
    if mean_rest >= 5:
        statistic += (rest - mean_rest) ** 2 / mean_rest
    freedom = len(frequent)
    spread = 2 / (9 * freedom)
    assert statistic < freedom * (1 - spread + 4.75 * math.sqrt(spread)) ** 3
    assert len(frequent) > 1


@pytest.mark.parametrize("top_k", [None, 1, 2])
@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_translations_come_as_often_as_they_are_probable(temperature: float, top_k: int | None) -> None:
    found = draw(SOURCES, 2000, Sampling(7, temperature, top_k))
    for source, drawn in zip(SOURCES, found, strict=True):
        expected = shares(TABLE, source, temperature, top_k)
        if top_k == 1:
            assert {tuple(best.tokens) for best in drawn} == expected.keys()
        else:
            assert_drawn_from(drawn, expected)


def test_the_statistic_would_tell() -> None:
    (drawn,) = draw(SOURCES[:1], 2000, Sampling(7, 0.8))
    with pytest.raises(AssertionError):
        assert_drawn_from(drawn, shares(TABLE, SOURCES[0], 1.0, None))


@pytest.mark.parametrize(
    ("processor", "may_come"),
    [
        (BlockedNgrams(1), lambda _, prefix, token: not repeats(prefix, token, 1)),
        (ForcedPrefixes([(4,)], torch.device("cpu")), lambda _, prefix, token: bool(prefix) or token == 4),
    ],
)
def test_what_may_not_come_leaves_its_probability_to_the_rest(
    processor: BlockedNgrams | ForcedPrefixes, may_come: Callable[[Ids, Ids, int], bool]
) -> None:
    source: Ids = (3, 2, 4)
    (drawn,) = draw([source], 2000, Sampling(3), replace(SETTINGS, processors=(processor,)))
    assert_drawn_from(drawn, shares(restricted(TABLE, may_come), source, 1.0, None))


def test_log_probabilities_are_the_models_own() -> None:
    known = [{tuple(each.tokens): each for each in all_hypotheses(TABLE, source, SETTINGS)} for source in SOURCES]
    for drawn, exact in zip(draw(SOURCES, 30, Sampling(2, 0.7, 3)), known, strict=True):
        for hypothesis in drawn:
            assert hypothesis.log_prob == pytest.approx(exact[tuple(hypothesis.tokens)].log_prob, abs=1e-5)
            assert hypothesis.score == pytest.approx(exact[tuple(hypothesis.tokens)].score, abs=1e-5)


def test_draws_belong_to_the_sentences_number_and_the_seed() -> None:
    together = draw(SOURCES, 20, Sampling(1), numbers=(10, 11, 12))
    assert draw(SOURCES[::-1], 20, Sampling(1), numbers=(12, 11, 10)) == together[::-1]
    assert draw(SOURCES[1:2], 20, Sampling(1), numbers=(11,)) == together[1:2]
    assert [drawn[:5] for drawn in together] == draw(SOURCES, 5, Sampling(1), numbers=(10, 11, 12))
    assert draw(SOURCES[1:2], 20, Sampling(1), numbers=(10,)) != together[1:2]
    assert draw(SOURCES[1:2], 20, Sampling(2), numbers=(11,)) != together[1:2]
    assert len({tuple(hypothesis.tokens) for hypothesis in together[1]}) > 5


def test_each_source_is_read_once() -> None:
    model = TableModel(TABLE)
    read: list[int] = []

    class Reading(TableModel):
        def start(self, src_ids: torch.Tensor, src_lengths: torch.Tensor) -> TableState:
            read.append(len(src_ids))
            return super().start(src_ids, src_lengths)

    found = sample(Reading(TABLE), *source_batch(SOURCES), SETTINGS, 4, range(3), Sampling())
    assert read == [3]
    assert found == sample(model, *source_batch(SOURCES), SETTINGS, 4, range(3), Sampling())
