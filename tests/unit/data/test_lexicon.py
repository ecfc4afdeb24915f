"""The lexicon against IBM Model 1 in loops and dictionaries."""

from collections import defaultdict

import numpy as np
import pytest

from nmt.data import lexicon
from nmt.data.lexicon import learn_dictionary, learn_lexicon
from nmt.errors import UserError

SOURCES = [[4, 5], [5, 6, 4], [7], [4, 7, 7], [6, 5], [], [8]]
TARGETS = [[9, 5], [5, 6, 9], [10], [9, 10, 10, 4], [6, 5], [4], []]
EMPTY = 0


def slow_model_1(iterations: int) -> dict[tuple[int, int], float]:
    """t(target | source) after some iterations, from equal probabilities."""
    t: dict[tuple[int, int], float] = defaultdict(lambda: 1.0)
    pairs = [(source, target) for source, target in zip(SOURCES, TARGETS, strict=True) if source and target]
    for _ in range(iterations):
        counts: dict[tuple[int, int], float] = defaultdict(float)
        totals: dict[int, float] = defaultdict(float)
        for source, target in pairs:
            for e in target:
                normaliser = sum(t[f, e] for f in [*source, EMPTY])
                for f in [*source, EMPTY]:
                    counts[f, e] += t[f, e] / normaliser
                    totals[f] += t[f, e] / normaliser
        t = defaultdict(float, {(f, e): count / totals[f] for (f, e), count in counts.items()})
    return t


def ranked(source: int, n: int) -> list[int]:
    t = slow_model_1(lexicon._ITERATIONS)
    found = sorted((-probability, e) for (f, e), probability in t.items() if f == source)
    return [e for _, e in found[:n]]


@pytest.mark.parametrize("at_once", [1, 10, 1000])
def test_the_best_translations_of_each_word(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon, "_LINKS_AT_ONCE", at_once)
    learned = learn_lexicon(SOURCES, TARGETS, 12, 11, candidates=2, frequent=3, joint=False)
    assert learned.by_word.shape == (12, 2)
    for source in (4, 5, 6, 7):
        found = [word for word in learned.by_word[source].tolist() if word >= 0]
        assert found == ranked(source, 2)
    for unseen in (EMPTY, 1, 2, 3, 8, 9, 10, 11):
        assert learned.by_word[unseen].tolist() == [-1, -1]
    assert learned.always.tolist() == sorted({5, 9, 10, 1, 3})  # the most frequent, the unknown word, the end


def test_with_a_joint_vocabulary_a_word_is_its_own_candidate() -> None:
    apart = learn_lexicon(SOURCES, TARGETS, 12, 12, 2, 3, joint=False)
    joint = learn_lexicon(SOURCES, TARGETS, 12, 12, 2, 3, joint=True)
    assert np.array_equal(joint.by_word[:, :2], apart.by_word)
    assert joint.by_word[:, 2].tolist() == list(range(12))


def test_recall() -> None:
    learned = learn_lexicon(SOURCES, TARGETS, 12, 11, candidates=1, frequent=0, joint=False)
    assert learned.always.tolist() == [1, 3]
    best = int(learned.by_word[7, 0])
    sizes = [len({best, 1, 3}), len({best, int(learned.by_word[2, 0]), 1, 3} - {-1})]
    assert learned.recall([[7], [7, 2]], [[best, 8], [3, 8, 8]]) == pytest.approx((2 / 5, sum(sizes) / 2))
    assert learned.recall([], []) == (0, 0)


def test_of_too_many_sentences_some_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = learn_lexicon(SOURCES, TARGETS, 12, 11, 2, 3, joint=False)
    some = learn_lexicon(SOURCES[:5:2], TARGETS[:5:2], 12, 11, 2, 3, joint=False)
    monkeypatch.setattr(lexicon, "_MOST_LINKS", 25)  # of 6 + 12 + 2 + 16 + 6 = 42; so every second pair
    found = learn_lexicon(SOURCES, TARGETS, 12, 11, 2, 3, joint=False)
    assert np.array_equal(found.by_word, some.by_word)
    assert not np.array_equal(found.by_word, everything.by_word)


def test_without_a_pair_there_is_nothing_to_learn() -> None:
    with pytest.raises(UserError, match=r"data\.train: there are no sentence pairs"):
        learn_lexicon([[4], []], [[], [5]], 12, 11, 2, 3, joint=False)


def test_asking_for_more_candidates_than_there_are_takes_no_room() -> None:
    assert learn_lexicon(SOURCES, TARGETS, 12, 11, 10**9, 3, joint=False).by_word.shape == (12, 5)


SIDES = {"f": SOURCES, "e": TARGETS}


def test_a_dictionary_has_the_best_translation_of_each_word() -> None:
    sources, targets = ([[f"{side}{word}" for word in line] for line in lines] for side, lines in SIDES.items())
    learned = learn_dictionary(sources, targets)
    assert learned == {f"f{word}": f"e{ranked(word, 1)[0]}" for word in (4, 5, 6, 7)}  # 8 has no translation
    with pytest.raises(UserError, match="no sentence pairs to learn from"):
        learn_dictionary([], [])
