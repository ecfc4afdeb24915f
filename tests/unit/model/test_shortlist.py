"""Shortlists against sets."""

from dataclasses import replace

import pytest
import torch

from nmt.data.batch import source_tensors
from nmt.model.fast.layers import Linear
from nmt.model.output import best_of_parts
from nmt.model.shortlist import Candidates, Shortlist
from nmt.search.picking import Best
from nmt.search.types import Choice
from tests.helpers import practised_model

BY_WORD = torch.tensor([[-1, -1], [5, 6], [-1, -1], [-1, -1], [4, 7], [8, -1], [-1, -1]], dtype=torch.int32)
ALWAYS = torch.tensor([3, 1], dtype=torch.int32)
SOURCES = [[4, 1, 5], [5], [6, 6]]


def chosen(sources: list[list[int]], columns: int = 0) -> list[set[int]]:
    """The words of each sentence."""
    src_ids, src_lengths = source_tensors(sources)
    src_ids = torch.nn.functional.pad(src_ids, (0, columns), value=4)
    words, penalty = Shortlist(BY_WORD, ALWAYS, 10)(src_ids, src_lengths)
    assert words.tolist() == sorted(set(words.tolist()))
    assert ((penalty == 0) | (penalty == -torch.inf)).all()
    return [set(words[row == 0].tolist()) for row in penalty]


def test_each_sentence_has_the_candidates_of_its_own_words() -> None:
    expected = [{1, 3, 4, 5, 6, 7, 8}, {1, 3, 8}, {1, 3}]
    assert chosen(SOURCES) == expected
    assert [chosen([source])[0] for source in SOURCES] == expected


def test_padding_adds_no_candidates() -> None:
    assert chosen(SOURCES, columns=2) == chosen(SOURCES)


def test_sentences_are_selected() -> None:
    model = practised_model("general")
    penalty = torch.arange(6.0).reshape(3, 2)
    candidates = Candidates(model.output.words, torch.tensor([1, 3]), {1: 0, 3: 1}, penalty)
    assert torch.equal(candidates.select(torch.tensor([0, 2])).penalty, penalty[[0, 2]])  # type: ignore[arg-type]
    everything = Candidates(model.output.words)
    assert everything.select(torch.tensor([0, 2])) is everything


def test_the_best_are_chosen_among_the_candidates_only() -> None:
    """Several hypotheses a sentence, against the whole output layer and a mask."""
    output = practised_model("general").output
    vectors = torch.sin(torch.arange(4 * 8.0)).reshape(4, 8)
    words, own = torch.tensor([1, 3, 4, 8]), torch.tensor([[1, 0, 1, 1], [1, 1, 0, 1]], dtype=torch.bool)
    layer = Linear(8, 4)
    layer.weight, layer.bias = (
        torch.nn.Parameter(output.words.weight[words]),
        torch.nn.Parameter(output.words.bias[words]),
    )
    penalty = torch.zeros(2, 4).masked_fill(~own, -torch.inf)
    places = {1: 0, 3: 1, 4: 2, 8: 3}
    sums = torch.tensor([[0.0, -0.3], [-2.0, -1.5]])
    with torch.no_grad():
        candidates = Candidates(layer, words, places, penalty)
        choice = candidates.columns(Choice(sums, Best(3), 3, banned=(0, 1)))
        best = candidates.words_of(best_of_parts(output.parts(vectors, candidates, 2), choice))
        logits = output(vectors).view(2, 2, -1)
    for sentence in range(2):
        allowed = words[own[sentence]].tolist()
        log_probs = logits[sentence][:, allowed].log_softmax(1) + sums[sentence, :, None]
        expected = [
            (log_probs[parent, place].item(), parent, word)
            for parent in range(2)
            for place, word in enumerate(allowed)
            if word != 1
        ]
        ranked = sorted(expected, reverse=True)[:3]
        assert best.parents[sentence].tolist() == [parent for _, parent, _ in ranked]
        assert best.tokens[sentence].tolist() == [word for _, _, word in ranked]
        assert best.sums[sentence].tolist() == pytest.approx([value for value, _, _ in ranked], abs=1e-5)


def test_a_word_that_is_forced_must_be_a_candidate() -> None:
    words = torch.tensor([1, 3, 4, 8])
    candidates = Candidates(Linear(8, 4), words, {1: 0, 3: 1, 4: 2, 8: 3})
    choice = Choice(torch.zeros(3, 1), Best(3), 3, forced=torch.tensor([3, -1, 8]))
    forced = candidates.columns(choice).forced
    assert forced is not None
    assert forced.tolist() == [1, -1, 3]
    for missing in (5, 9):
        with pytest.raises(ValueError, match="forced"):
            candidates.columns(replace(choice, forced=torch.tensor([3, -1, missing])))
