"""Work in batches of similar items."""

from collections.abc import Sequence

import pytest

from nmt.batching import Each, in_batches
from nmt.threads import map_on_cores

WORDS = ["eins", "zu", "drei", "vierzehn", "a", "fünfzig", "b", "sechs"]


@pytest.mark.parametrize("size", [1, 3, 8, 99])
@pytest.mark.parametrize("each", [map, map_on_cores])
def test_results_stand_in_the_order_of_the_items(size: int, each: Each) -> None:
    """And each was in the batch of its length."""

    def upper(words: Sequence[str]) -> list[tuple[str, list[str]]]:
        return [(word.upper(), [*words]) for word in words]

    found = in_batches(upper, WORDS, size, len, each)
    assert [word for word, _ in found] == [word.upper() for word in WORDS]
    ordered = sorted(WORDS, key=len)  # those of one length in their own order
    for word, (_, batch) in zip(WORDS, found, strict=True):
        first = ordered.index(word) // size * size
        assert batch == ordered[first : first + size]
    assert in_batches(upper, [], size, len, each) == []


def test_there_must_be_a_result_for_each_item() -> None:
    with pytest.raises(ValueError, match="shorter"):
        in_batches(lambda words: words[:1], WORDS, 3, len)
