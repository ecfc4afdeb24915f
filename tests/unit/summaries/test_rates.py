"""What summaries are made of, by hand and by brute force."""

import pytest

from nmt.summaries.documents import Documents
from nmt.summaries.names import NameFinder, names
from nmt.summaries.rates import Rates, fragments, rates
from tests.fixtures_text import SOURCES, TARGETS

ARTICLE = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", ".", "the", "quick", "fox", "sleeps"]


def test_fragments_are_the_longest_shared_runs_from_left_to_right() -> None:
    summary = ["a", "quick", "brown", "fox", "sleeps", "over", "the", "quick", "fox", "sleeps"]
    found = [" ".join(fragment) for fragment in fragments(summary, ARTICLE)]
    assert found == ["quick brown fox", "sleeps", "over the", "quick fox sleeps"]
    assert list(fragments([], ARTICLE)) == list(fragments(summary, [])) == []


def test_rates_by_hand() -> None:
    found = rates(["The dog barks, the dog barks. Dog!", "New"], ["the dog sleeps", "old"])
    # the dog barks the dog barks dog | new
    assert found.novel[0] == pytest.approx(100 * 3 / 8)
    assert found.coverage == pytest.approx(100 * 5 / 8)
    assert found.density == pytest.approx((4 + 4 + 1) / 8)
    assert found.novel[1] == pytest.approx(100 * 4 / 6)  # dog barks, barks the, dog barks, barks dog
    assert found.novel[2:] == [100.0, 100.0]
    assert found.repeated == pytest.approx([100 * 4 / 8, 100 * 2 / 6, 100 * 1 / 5, 0.0])
    assert found.words == 4.0


def test_there_is_no_share_of_nothing() -> None:
    nothing: list[float | None] = [None] * 4
    assert rates(["", "..."], ["a", "b"]) == Rates(nothing, None, None, nothing, 0.0)
    assert rates(["a b"], ["a"]).novel == [50.0, 100.0, None, None]


def test_rates_by_brute_force() -> None:
    """Counted by strings: an n-gram stands in a document that holds it between spaces."""
    sources, summaries = TARGETS[:40], TARGETS[1:41]
    found = rates(summaries, sources)
    total = [0] * 4
    new, again = [0] * 4, [0] * 4
    for summary, source in zip(summaries, sources, strict=True):
        words, text = summary.lower().split(), f" {source.lower()} "
        for size in range(1, 5):
            grams = [" ".join(words[start : start + size]) for start in range(len(words) - size + 1)]
            total[size - 1] += len(grams)
            new[size - 1] += sum(f" {gram} " not in text for gram in grams)
            again[size - 1] += sum(gram in grams[:place] for place, gram in enumerate(grams))
    assert found.novel == pytest.approx([100 * part / whole for part, whole in zip(new, total, strict=True)])
    assert found.repeated == pytest.approx([100 * part / whole for part, whole in zip(again, total, strict=True)])
    assert found.coverage == pytest.approx(100 - (found.novel[0] or 0))
    assert 0 < (found.density or 0) < found.words


def test_what_is_copied_is_not_new() -> None:
    found = rates(SOURCES[:5], SOURCES[:5])
    assert found.novel[0] == 0.0
    assert found.coverage == 100.0


FINDER = NameFinder(["we go to the mark.", "Ann: They said will"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann and Bob went to New York.", {"ann", "bob", "new", "york"}),
        ("We met Mark. Mark slept", {"mark"}),
        ("Mark slept. Will slept, too. Ann slept. They slept", {"ann", "they"}),  # no text has them with a small letter
        ("Ann's dog ate 3 of #Person1#'s iPhones at 5:30", {"ann", "3", "person1", "iphones", "5:30"}),
        ("I'm sure that I am, said A", set()),
        ('Ann: Will Mark come at 5: 30? Bob said: "Go!" and “The Mark”', {"ann", "mark", "bob", "5", "30"}),
        ("nothing", set()),
    ],
)
def test_names_and_numbers_by_their_letters(text: str, expected: set[str]) -> None:
    assert FINDER.find(text) == expected


def test_names_that_are_right_made_up_and_missing() -> None:
    sources = ["Ann: we meet bob at 5", "Zoe sleeps"]
    references = [["Ann and Bob meet at 5.", "They meet Bob."], ["Zoe sleeps."]]
    texts = [*sources, "they"]
    found = names(["Ann meets Bob and Carl at 6.", "zoe sleeps"], Documents(sources, references), NameFinder(texts))
    assert found.each == pytest.approx(4 / 2)  # Ann, Bob, Carl, 6
    assert found.right == pytest.approx(100 * 2 / 4)
    # of Ann, Bob, 5 | Bob | Zoe, the summaries have Ann, Bob | Bob | Zoe: in small letters, too
    assert found.recall == pytest.approx(100 * 4 / 5)


def test_without_names_there_is_no_share() -> None:
    found = names(["x"], Documents(["x"], [["y"]]), NameFinder([]))
    assert (found.each, found.right, found.recall) == (0.0, None, None)
