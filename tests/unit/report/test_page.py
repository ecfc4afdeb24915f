"""The page is sound HTML that asks nobody for anything; whatever stands in the data is shown as it is."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nmt.curves import append_point
from nmt.report import scores
from nmt.report.collect import comparable, read_runs
from nmt.report.content import Chapter, Marked, Section, Table, printable
from nmt.report.curves import bleu_by_length, learning_curves, thinned
from nmt.report.page import html_page, markdown_page
from tests.finished_runs import REFERENCES, finished_run, worse

EVIL = '<script>alert("1 & 2")</script> | a_b *c* `d` \\ [x](y)'
_VOID = {"meta", "br", "wbr", "link", "img"}


class Reader(HTMLParser):
    """Reads a page, insists that what is opened is closed, and keeps what was found."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def check_page(page: str) -> Reader:
    """A page that stands alone: no script, nothing from elsewhere, every link within, every picture in words."""
    reader = Reader(page)
    assert "script" not in reader.tags
    assert not {"link", "img", "iframe", "object", "embed"} & set(reader.tags)
    ids = [value for name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    for name, value in reader.attributes:
        assert name not in ("src", "srcset", "onclick", "onload")
        assert name != "href" or (value or "").removeprefix("#") in ids
    assert "url(" not in page
    assert "@import" not in page
    assert "://" not in page
    pictures = re.findall(r"<svg [^>]*>", page)
    assert all("aria-label=" in picture or "aria-hidden=" in picture for picture in pictures)
    return reader


def test_every_text_is_shown_as_it_is() -> None:
    table = Table(EVIL, ["run", EVIL], [[EVIL, EVIL], ["b", Marked(((EVIL, True), ("plain", False)))]])
    chapters = [Chapter(EVIL, [EVIL], [Section(EVIL, [EVIL], tables=[table])])]
    page = html_page(chapters)
    reader = check_page(page)
    assert reader.text.count(EVIL) >= 8
    assert ("aria-label", EVIL) in reader.attributes
    assert f"<mark>{html.escape(EVIL, quote=True).replace('&quot;', '&#34;')}</mark> plain" in page


def test_markdown_keeps_its_tables_whatever_the_cells_hold() -> None:
    table = Table("t", ["run", "value"], [[EVIL, "1.5"], ["a \r\n b", "–"]])
    text = markdown_page([Chapter("c", [], [Section("s", tables=[table])])])
    assert "<script" not in text
    rows = [line for line in text.split("\n") if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [3, 3, 3, 3]
    assert rows[1] == "|---|---:|"
    cell = re.split(r"(?<!\\)\|", rows[2])[1].strip()
    assert re.sub(r"\\(.)", r"\1", html.unescape(cell)) == EVIL
    assert rows[3] == "| a b | – |"


def test_only_what_would_harm_a_page_is_replaced() -> None:
    kept = "a\u00a0b\u202fc\u200cd\u200de\u00adf\u200eg\u200fh\ufe0f \ue000 \U0001f469\u200d\U0001f467"
    assert printable(kept) == kept
    assert printable("\0\t\x1b\x85\ud800\uffff\u202a\u202e\u2066\u2069") == "\ufffd" * 10


def test_only_columns_of_numbers_are_set_as_numbers() -> None:
    rows = [["a", "1,234", "–", "38.97 ± 1.53", "▲ 0.01", "16", "2e"], ["b", "-0.5", "3 %", "1 ± 2", "–", "auto", "1"]]
    assert Table("", [""] * 7, rows).numeric == [False, True, True, True, False, False, False]


def test_published_figures_stand_beside_ours(tmp_path: Path) -> None:
    figure = {"system": "RNNsearch", "metric": "BLEU", "value": 26.75, "source": "a paper", "band": [25, 27.5]}
    known = [{**figure, "own": 28.125, "verdict": "above", "differs": "other text"}, {**figure, "band": None}]
    runs = read_runs([finished_run(tmp_path / "a", worse(2), results={"published": known})])
    section = scores.published(comparable(runs)[0])
    assert section is not None
    assert section.tables[0].rows == [
        ["a", "RNNsearch", "26.75", "28.12", "25 to 27.5: above", "BLEU; other text", "a paper"],
        ["a", "RNNsearch", "26.75", "–", "–", "BLEU", "a paper"],
    ]
    without = read_runs([finished_run(tmp_path / "b", worse(2))])
    assert scores.published(comparable(without)[0]) is None


def test_what_differs_are_the_fields_that_are_not_equal(tmp_path: Path) -> None:
    folders = [
        finished_run(tmp_path / "a", REFERENCES, model={"attention": {"type": "scaled_dot"}, "hidden_size": 8}),
        finished_run(
            tmp_path / "b", REFERENCES, model={"attention": {"type": "normed_additive", "size": 7}, "hidden_size": 8}
        ),
    ]
    (shared,) = comparable(read_runs(folders))
    section = scores.differences(shared)
    assert section is not None
    assert section.tables[0].header == ["run", "model.attention.type", "model.attention.size"]
    assert section.tables[0].rows == [["a", "scaled_dot", "–"], ["b", "normed_additive", "7"]]
    more = {"layers": 2, "decoder": {"type": "luong", "input_feeding": False}, "tie_output": True}
    deeper = finished_run(
        tmp_path / "c", REFERENCES, model={"attention": {"type": "scaled_dot"}, "hidden_size": 8, **more}
    )
    (many,) = comparable(read_runs([folders[0], deeper]))
    section = scores.differences(many)
    assert section is not None
    assert section.tables[0].header == ["field", "a", "c"]
    assert section.tables[0].rows[0] == ["model.layers", "1", "2"]
    alone = comparable(read_runs(folders[:1]))[0]
    assert scores.differences(alone) is None


def test_learning_curves_are_drawn_of_the_runs_that_have_them(tmp_path: Path) -> None:
    folders = [finished_run(tmp_path / name, REFERENCES) for name in ("with", "without")]
    (shared,) = comparable(read_runs(folders))
    assert learning_curves(shared).strips == []
    assert learning_curves(shared).tables == []
    for step in range(10, 60, 10):
        append_point(folders[0] / "curves.jsonl", step, loss=5 - step / 20)
        append_point(folders[0] / "curves.jsonl", step, perplexity=100 / step, bleu=20.0 - abs(step - 40))
    section = learning_curves(shared)
    assert section.text == ["No curves of without: no curves.jsonl in the folder."]
    assert section.tables[0].rows == [["with", "20.00", "40", "2.000", "50"]]
    assert len(section.strips[0].figures) == 3


def test_long_curves_are_thinned_by_their_means() -> None:
    curve = [(step, float(step % 2)) for step in range(1, 601)]
    points = thinned(curve)
    assert len(points) == 150
    assert points[0] == (2.5, 0.5)
    assert thinned(curve[:3]) == curve[:3]
    assert thinned([]) == []


def test_bleu_by_length_is_that_of_the_results(tmp_path: Path) -> None:
    folders = [finished_run(tmp_path / "a", worse(1)), finished_run(tmp_path / "b", REFERENCES)]
    section = bleu_by_length(comparable(read_runs(folders))[0])
    assert section is not None
    (table,) = section.tables
    assert table.header == ["run", "0-6", "7-9"]
    assert [row[0] for row in table.rows] == ["sentences", "a", "b"]
    assert sum(int(str(size)) for size in table.rows[0][1:]) == len(REFERENCES)
    assert table.rows[2][1:] == ["100.0", "100.0"]
    assert float(str(table.rows[1][1])) < 100


@pytest.mark.parametrize("runs", [1, 12])
def test_the_page_of_real_sections_stands_alone(tmp_path: Path, runs: int) -> None:
    folders = [finished_run(tmp_path / f"run-{number}", worse(number + 1)) for number in range(runs)]
    (shared,) = comparable(read_runs(folders))
    sections = [scores.scores(shared), scores.cost(shared), bleu_by_length(shared), learning_curves(shared)]
    check_page(html_page([Chapter("c", [], [section for section in sections if section])]))
