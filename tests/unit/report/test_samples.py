"""Sentences that are shown."""

import torch

from nmt.align import Alignment
from nmt.report.samples import aligned_lines, alignments, describe, marked, spread


def test_lines_lie_evenly_and_each_once() -> None:
    assert spread(range(1000), 4) == [125, 375, 625, 875]
    assert spread([3, 7], 5) == [3, 7]
    assert spread([], 5) == []


def test_alignments_are_drawn_of_sentences_that_fit_on_a_page() -> None:
    sources = ["one two", "a b c d e", "w " * 21, "w " * 20, "", "a b c d e f"]
    assert aligned_lines(sources) == [1, 3, 5]


def test_words_that_the_other_does_not_have_at_their_place_are_marked() -> None:
    assert marked("a man is running fast", "a man runs").parts == (("a man", False), ("is running fast", True))
    assert marked("the cat", "the cat").parts == (("the cat", False),)
    assert marked("", "a").parts == (("", True),)
    assert " ".join(part for part, _ in marked("b  a b", "a b").parts) == "b  a b"


def test_runs_without_attention_are_named() -> None:
    alignment = Alignment(["_a", "</s>"], ["_x", "</s>"], torch.tensor([[0.9, 0.1], [0.2, 0.8]]))
    section = alignments(["with", "without"], [4], [[alignment], [None]])
    ((figure,),) = (strip.figures for strip in section.strips)
    assert figure.caption == "with"
    assert section.strips[0].caption == "Line 5"
    assert section.text[-1] == "Without attention: without."
    assert describe(alignment) == "Each piece looked most at: _x at _a, </s> at </s>"
    assert alignments(["without"], [4], [[None]]).strips == []
