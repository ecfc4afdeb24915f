"""What was copied from where: words and shades, as they stand on the page."""

import re

import torch

from nmt.align import Alignment
from nmt.report.content import Chapter
from nmt.report.copies import copied_lines, copies, passage
from nmt.report.page import html_page, markdown_page
from tests.unit.report.test_page import check_page

# Of four words the model reads three; the first one written is copied from the second, the second one is made.
WORDS = Alignment(
    ["Hi", "<Ann>", "\x00", "unread"],
    ["<Ann>", "called"],
    torch.tensor([[0.0, 0.9, 0.1, 0.0], [0.25, 0.5, 0.0125, 0.0]]),
    torch.tensor([0.75, 0.5]),
)


def test_blank_lines_are_not_shown() -> None:
    assert copied_lines(["a", " ", "b c", ""]) == [0, 2]
    assert copied_lines([" "]) == []


def test_a_passage_ends_with_what_was_read() -> None:
    found = passage("Line 3, run", WORDS)
    assert found.source == ["Hi", "<Ann>", "\ufffd"]
    assert found.were_copied == [True, False]
    torch.testing.assert_close(torch.tensor(found.looked_at), torch.tensor([0.25, 1.0, 0.1125]))
    nothing = passage("", Alignment(["a", "b"], [], torch.zeros(0, 2), torch.zeros(0)))
    assert nothing.source == ["a", "b"]
    assert nothing.looked_at == [0.0, 0.0]


def test_words_are_marked_and_shaded_without_a_program() -> None:
    section = copies([2], {"run": [WORDS], "<other>": [WORDS]})
    chapters = [Chapter("one", [], []), Chapter("two", [], [section])]
    page = html_page(chapters)
    reader = check_page(page)
    for caption, name in (("Line 3, run", "p2-1-1"), ("Line 3, <other>", "p2-1-2")):
        assert ("id", name) in reader.attributes
        assert caption in reader.text
        together = re.findall(rf":where\(#{name}\) \.s(\d+){{--a:([\d.]+)}}", page)
        assert together == [("0", "0.25"), ("1", "1.00"), ("2", "0.11")]
        rules = re.findall(rf"#{name}:has\(\.w(\d+):is\(:hover,:focus\)\) \.s(\d+){{--a:([\d.]+)}}", page)
        assert rules == [("0", "1", "0.90"), ("0", "2", "0.10"), ("1", "0", "0.25"), ("1", "1", "0.50")]
    assert page.count("<mark>&lt;Ann&gt;</mark></span> <span") == 2
    assert page.count("50 % copied") == page.count("75 % copied") == 2
    assert "unread" not in reader.text
    assert "**Line 3, run**\n\n**&lt;Ann&gt;** called\n" in markdown_page(chapters)
