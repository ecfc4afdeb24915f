"""Drawings: what stands where, and that they are sound SVG."""

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
import torch

from nmt.align import Alignment
from nmt.report.svg import Line, legend, line_chart, linear_axis, log_axis, matrix, named_axis


@pytest.mark.parametrize("values", [[0.0, 41.3], [4.9, 5.2], [7.0], [-3.0, 12_345.0], [0.0]])
def test_a_linear_axis_holds_its_values_between_round_ticks(values: list[float]) -> None:
    axis = linear_axis("", values)
    assert all(0 <= axis.place(value) <= 1 for value in values)
    places = [axis.place(value) for value, _ in axis.ticks]
    assert places[0] == pytest.approx(0)
    assert places[-1] == pytest.approx(1)
    assert 3 <= len(places) <= 7
    gaps = [after - before for before, after in pairwise(places)]
    assert gaps == pytest.approx([gaps[0]] * len(gaps))
    assert [float(name.replace(",", "")) for _, name in axis.ticks] == pytest.approx([value for value, _ in axis.ticks])


@pytest.mark.parametrize("values", [[1.0], [4.8, 310.0], [1e-9, 1.0], [3e-3, 0.9], [2e-40, 1.0], [100.0, 100.0]])
def test_equal_factors_are_equally_far_apart_on_a_log_axis(values: list[float]) -> None:
    axis = log_axis("", values)
    assert all(-1e-9 <= axis.place(value) <= 1 + 1e-9 for value in values)
    assert axis.place(math.sqrt(axis.low * axis.high)) == pytest.approx(0.5)
    assert 1 <= len(axis.ticks) <= 10
    assert all(0 <= axis.place(value) <= 1 + 1e-9 for value, _ in axis.ticks)
    assert log_axis("", [1e-6, 1.0]).ticks[-1][1] == "1"
    assert "10⁻⁶" in [name for _, name in log_axis("", [1e-6, 1.0]).ticks]


def test_the_points_of_a_chart_stand_at_their_places() -> None:
    line = Line("a <b> & c", [(0, 10), (1, 20), (2, 15)], number=0)
    chart = line_chart([line], named_axis("x", ["1-5", "6-9", "10+"]), linear_axis("y", [10, 20]), 'shows "a" < b')
    root = ElementTree.fromstring(str(chart))
    assert root.get("aria-label") == 'shows "a" < b'
    assert root.findtext(".//title") == "a <b> & c"
    (path,) = (found.get("d") or "" for found in root.iter("path") if found.get("class") == "line")
    points = [tuple(map(float, point.split())) for point in path[1:].split("L")]
    left, middle, right = points
    assert left[0] < middle[0] < right[0]
    assert middle[0] - left[0] == pytest.approx(right[0] - middle[0], abs=0.2)
    assert (right[1] - middle[1]) == pytest.approx((left[1] - middle[1]) / 2, abs=0.2)
    assert middle[1] < right[1] < left[1]  # y grows downwards
    texts = [text.text for text in root.iter("text")]
    assert {"1-5", "6-9", "10+", "x", "y", "10", "20"} <= set(texts)


def test_no_two_of_many_runs_look_the_same() -> None:
    root = ElementTree.fromstring(str(legend([f"run {number}" for number in range(20)])))
    looks = [
        (entry.find(".//g").get("class"), [path.get("d") for path in entry.iter("path")][-1])  # type: ignore[union-attr]
        for entry in root.iter("li")
    ]
    assert len(set(looks)) == 20


def test_a_matrix_shows_each_weight_in_its_cell() -> None:
    weights = torch.tensor([[0.75, 0.25, 0.0], [0.01, 0.0, 0.99]])
    root = ElementTree.fromstring(str(matrix(Alignment(["<a>", "b", "</s>"], ["&", "\x00"], weights), "words")))
    cells = [path for path in root.iter("path") if path.get("class") == "cell"]
    places = {}
    for cell in cells:
        match = re.match(r"M([\d.]+) ([\d.]+)h", cell.get("d") or "")
        assert match
        places[float(match[1]), float(match[2])] = float(cell.get("opacity") or 0)
    columns, rows = (sorted({place[side] for place in places}) for side in (0, 1))
    assert len(columns) == 3
    assert len(rows) == 2
    found = [[places.get((column, row), 0.0) for column in columns] for row in rows]
    torch.testing.assert_close(torch.tensor(found), weights, atol=0.02, rtol=0)
    assert [text.text for text in root.iter("text")] == ["<a>", "b", "</s>", "&", "\N{REPLACEMENT CHARACTER}"]
