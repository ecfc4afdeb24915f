"""Attention by steps, pieces and words, against sums by hand and in loops, and of a model against known pairs."""

from typing import get_args

import numpy as np
import pytest
import torch

from nmt.align import Alignment, by_step, to_words
from nmt.data.batch import make_batch
from nmt.forced import attention
from nmt.model.build import build_model
from nmt.recipe.model import ModelOptions
from nmt.recipe.search import AlignedTo
from nmt.tokenizer import BOS, EOS
from nmt.training.loss import sequence_loss


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


def test_what_is_copied_is_averaged_over_target_pieces() -> None:
    pieces = Alignment(PIECES.source, PIECES.target, WEIGHTS, torch.tensor([0.75, 0.5, 1.0, 0.0]))
    found = to_words(pieces, ["ab", "c"], ["x", "yz"], [0, 0, 1, 2], by_step([0, 1, 1], 2, 2, "predicted"))
    assert found.copied is not None
    assert found.copied.tolist() == [0.75, 0.75]
    assert found.as_dict()["copied"] == [0.75, 0.75]
    assert "copied" not in PIECES.as_dict()


def test_a_word_is_copied_as_its_letters_are_and_not_as_the_mark_after_it() -> None:
    target = ["▁Anna", "▁'s", "▁ca", "kes", "▁.", "▁--", "▁Anna", "<0xE2>", "<0x80>", "<0xA6>", "</s>"]
    shares = torch.tensor([0.9, 0.0, 0.9, 0.4, 0.1, 0.3, 0.8, 0.0, 0.0, 0.0, 0.0])
    pieces = Alignment(["</s>"], target, torch.ones(11, 1), shares)
    found = to_words(pieces, [], ["Anna's", "cakes.", "--", "Anna…"], [0], [0, 0, 1, 1, 1, 2, 3, 3, 3, 3, 4])
    assert found.copied is not None
    torch.testing.assert_close(
        found.copied, torch.tensor([0.9 * 4 / 5, (0.9 * 2 + 0.4 * 3) / 5, 0.3, 0.8]), rtol=0, atol=1e-3
    )


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


def test_a_trained_models_attention_is_that_of_the_word_it_predicts() -> None:
    """Also for a score that compares states, of which Luong et al. 2015, footnote 14, have it otherwise.

    Every word has one translation, and the target is in reversed order, so that no neighbour is right by chance.
    """
    words = range(4, 12)
    random = np.random.default_rng(1)

    def sentences(number: int) -> list[list[int]]:
        return [random.permutation(words)[: random.integers(2, 5)].tolist() for _ in range(number)]

    options = {"embedding_size": 16, "hidden_size": 24, "dropout": 0.0, "attention": {"type": "general"}}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = build_model(ModelOptions.model_validate(options), words.stop, words.stop)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(120):
        sources = sentences(16)
        loss = sequence_loss(model, make_batch(sources, [source[::-1] for source in sources]))
        optimizer.zero_grad()
        torch.autograd.backward(loss.objective / loss.tokens)
        optimizer.step()
    found = {"predicted": 0.0, "input": 0.0}
    pairs = [(source, source[::-1]) for source in sentences(50)]
    weights = attention(model, pairs, 50)
    for of in get_args(AlignedTo):
        links = [
            (source[i] if i < len(source) else EOS, token)
            for (source, target), rows in zip(pairs, weights, strict=True)
            for i, token in zip(rows.argmax(dim=1).tolist(), by_step(target, BOS, EOS, of), strict=True)
            if token in words
        ]
        found[of] = sum(one == other for one, other in links) / len(links)
    assert found["predicted"] > 0.9
    assert found["input"] < 0.5
