"""Sentences, lines, words, documents and extracts."""

import pytest

from nmt.summaries.documents import documents
from nmt.summaries.extracts import extracts
from nmt.summaries.text import lines, sentences, words


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Ann sleeps. Bob reads", ["Ann sleeps.", "Bob reads"]),
        ('She said "Go!" He went (home.) Why?  So', ['She said "Go!"', "He went (home.)", "Why?", "So"]),
        ("Well…  Ann: “No.” she said", ["Well…", "Ann: “No.”", "she said"]),
        ("at 3.30 p.m. in the U.S. capital", ["at 3.30 p.m.", "in the U.S.", "capital"]),
        ("one\r\n two.\n\n\nthree \n", ["one", "two.", "three"]),
        ("no.end here", ["no.end here"]),
        (" \n ", []),
        ("", []),
    ],
)
def test_a_sentence_ends_at_a_mark_before_space_and_at_a_line_end(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


def test_lines_are_those_that_are_not_blank() -> None:
    assert lines("Ann: Hi. You?\r\n\n  Bob: Fine\n") == ["Ann: Hi. You?", "Bob: Fine"]
    assert lines("a\u2028b") == ["a\u2028b"]


def test_words_keep_marks_within_them() -> None:
    text = "Ann's well-known #Person1# paid 1,000.50 at 5:30pm, didn\u2019t she? OK...see <file_photo> é"
    found = [
        "Ann's",
        "well-known",
        "Person1",
        "paid",
        "1,000.50",
        "at",
        "5:30",
        "pm",
        "didn\u2019t",
        "she",
        "OK",
        "see",
    ]
    assert words(text) == [*found, "file_photo", "é"]


def test_pairs_in_a_row_with_one_source_are_one_document() -> None:
    found = documents(["a", "a", "b", "a"], ["1", "2", "3", "4"])
    assert (found.sources, found.references) == (["a", "b", "a"], [["1", "2"], ["3"], ["4"]])
    assert list(found.pairs()) == [("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")]
    assert documents([], []).sources == []


def test_extracts_of_dialogues_are_lines() -> None:
    dialogue = "Ann: Hi. You?\r\nBob: Fine\nAnn: Where are you going?\nBob: To the market"
    found = extracts([dialogue, "Ann: one. two.\nBob: x", "a line. of text."])
    assert list(found) == ["lead-1", "lead-3", "longest-3"]
    assert found["lead-1"] == ["Ann: Hi. You?", "Ann: one. two.", "a line. of text."]
    assert found["lead-3"][0] == "Ann: Hi. You?\nBob: Fine\nAnn: Where are you going?"
    assert found["longest-3"][0] == "Ann: Where are you going?\nBob: To the market\nAnn: Hi. You?"
    assert found["longest-3"][2] == "a line. of text."


def test_extracts_of_other_documents_are_sentences() -> None:
    found = extracts(["One. Two! Three? Four.", "", "one\nline end"])
    assert found == {"lead-1": ["One.", "", "one"], "lead-3": ["One.\nTwo!\nThree?", "", "one\nline end"]}
