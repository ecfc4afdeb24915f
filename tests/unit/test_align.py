"""Attention by steps, pieces and words, against sums by hand and in loops."""

import numpy as np
import pytest
import torch

from nmt.align import Alignment, by_step, to_words
from nmt.recipe.search import AlignedTo


@pytest.mark.parametrize(("aligned_to", "expected"), [("predicted", [7, 8, 9, 3]), ("input", [2, 7, 8, 9])])
def test_a_step_belongs_to_the_token_that_it_predicts_or_reads(aligned_to: AlignedTo, expected: list[int]) -> None:
    assert by_step([7, 8, 9], 2, 3, aligned_to) == expected
    assert len(by_step([], 2, 3, aligned_to)) == 1


# Source: "ab c" in pieces a, b, c and the end; target: "x yz" in pieces x, y, z and the end.
WEIGHTS = torch.tensor(
    [
        [0.1, 0.3, 0.5, 0.1],
        [0.3, 0.3, 0.4, 0.0],
        [0.0, 0.1, 0.2, 0.7],
        [0.25, 0.25, 0.25, 0.25],
    ]
)
PIECES = Alignment(["a", "b", "c", "</s>"], ["x", "y", "z", "</s>"], WEIGHTS)


def test_weights_are_summed_over_source_pieces_and_averaged_over_target_pieces() -> None:
    predicted = to_words(PIECES, ["ab", "c"], ["x", "yz"], [0, 0, 1, 2], by_step([0, 1, 1], 2, 2, "predicted"))
    torch.testing.assert_close(predicted.weights, torch.tensor([[0.4, 0.5], [0.35, 0.3]]))
    assert (predicted.source, predicted.target) == (["ab", "c"], ["x", "yz"])
    assert predicted.links() == [(1, 0), (0, 1)]


def test_the_alignment_of_what_was_read_is_that_of_one_step_later() -> None:
    read = to_words(PIECES, ["ab", "c"], ["x", "yz"], [0, 0, 1, 2], by_step([0, 1, 1], 2, 2, "input"))
    torch.testing.assert_close(read.weights, torch.tensor([[0.6, 0.4], [0.3, 0.225]]))
    assert read.links() == [(0, 0), (0, 1)]


def test_words_in_loops() -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        pieces, steps, source, target = random.integers(1, 9, 4).tolist()
        weights = random.random((steps, pieces))
        columns, rows = random.integers(0, source + 1, pieces), random.integers(0, target + 1, steps)
        expected = np.zeros((target, source))
        for word in range(target):
            own = [step for step in range(steps) if rows[step] == word]
            for other in range(source):
                taken = [weights[step, piece] for step in own for piece in range(pieces) if columns[piece] == other]
                expected[word, other] = sum(taken) / max(len(own), 1)
        whole = Alignment([""] * pieces, [""] * steps, torch.from_numpy(weights))
        found = to_words(whole, ["w"] * source, ["w"] * target, columns.tolist(), rows.tolist())
        np.testing.assert_allclose(found.weights.numpy(), expected)
        assert found.links() == [(int(row.argmax()), j) for j, row in enumerate(expected) if row.any()]


def test_without_words_there_are_no_links() -> None:
    end = Alignment(["</s>"], ["x", "</s>"], torch.ones(2, 1))
    assert to_words(end, [], ["x"], [0], [0, 1]).links() == []
    assert to_words(Alignment(["</s>"], ["</s>"], torch.ones(1, 1)), [], [], [0], [0]).links() == []


def test_of_equal_weights_the_first_is_taken() -> None:
    assert Alignment(["a", "b"], ["x"], torch.tensor([[0.5, 0.5]])).links() == [(0, 0)]
