"""Drawings as SVG that takes its colours from the page, so that they suit a light and a dark one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from nmt.align import Alignment
from nmt.report.content import printable

Number = float | int

_WIDTH, _HEIGHT = 380, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 22, 12, 42  # around the plot
_COLOURS, _DASHES = 7, 3  # classes of the page's style
_MARKS = (  # around the origin
    "M3.2 0A3.2 3.2 0 1 1-3.2 0A3.2 3.2 0 1 1 3.2 0Z",
    "M-2.8-2.8H2.8V2.8H-2.8Z",
    "M0-3.9L3.7 2.7H-3.7Z",
    "M0-4L4 0L0 4L-4 0Z",
)
_MOST_MARKS = 40  # points of a line that each get one
_CELL = 16  # of a matrix, in pixels
_LETTER = 6.9  # mean width of one, in pixels

FAINTEST = 0.02
"""Weight of an attention that is drawn."""


@dataclass(frozen=True)
class Axis:
    """One direction of a plot.

    Attributes:
        label: what it measures.
        low: value at its beginning.
        high: value at its end.
        ticks: values that are named, with their names.
        is_log: whether equal factors are equally far apart.
    """

    label: str
    low: Number
    high: Number
    ticks: Sequence[tuple[Number, str]]
    is_log: bool = False

    def place(self, value: Number) -> float:
        """0 at the beginning and 1 at the end."""
        low, high, value = map(math.log, (self.low, self.high, value)) if self.is_log else (self.low, self.high, value)
        return (value - low) / (high - low)


@dataclass(frozen=True)
class Line:
    """One line of a plot: its name, its points from left to right, and its number among all runs, which styles it."""

    name: str
    points: Sequence[tuple[Number, Number]]
    number: int


def linear_axis(label: str, values: Sequence[Number]) -> Axis:
    """From a round number to a round number around the values."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    step = _round_step((high - low) / 4)
    numbers = range(math.floor(low / step), math.ceil(high / step) + 1)
    ticks = [(number * step, f"{number * step:,.6g}") for number in numbers]
    return Axis(label, ticks[0][0], ticks[-1][0], ticks)


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)


def log_axis(label: str, values: Sequence[Number]) -> Axis:
    """Around the values, which are positive; a few powers of ten, or simple multiples of them, are named."""
    low, high = min(values), max(values)
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    every = max(len(decades) // 5, 1)
    known = [10.0**decade for decade in decades[::every]]
    if every == 1 and high / low < 200:
        known = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    begin = max((value for value in known if value <= low), default=low)
    end = min((value for value in known if value >= high and value > begin), default=high * 1.2)
    return Axis(label, begin, end, [(value, _power(value)) for value in known if begin <= value <= end], is_log=True)


def _power(value: Number) -> str:
    if 0.001 <= value < 1e6:
        return f"{value:,.6g}"
    digits = str(round(math.log10(value))).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{digits}"


def named_axis(label: str, names: Sequence[str]) -> Axis:
    """Places 0, 1, 2, ... with names."""
    return Axis(label, -0.3, len(names) - 0.7, list(enumerate(names)))


def line_chart(lines: Sequence[Line], x: Axis, y: Axis, description: str) -> Markup:
    """A plot of some lines.

    Args:
        lines: what is drawn.
        x: the axis below.
        y: the axis to the left.
        description: says the same in words, or where the numbers are.
    """
    body = Markup().join([_frame(x, y), *(_line(line, x, y) for line in lines)])
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, description, body
    )


def _x(axis: Axis, value: Number) -> float:
    return _LEFT + axis.place(value) * (_WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: Number) -> float:
    return _HEIGHT - _BOTTOM - axis.place(value) * (_HEIGHT - _TOP - _BOTTOM)


def _frame(x: Axis, y: Axis) -> Markup:
    """Grid, ticks and labels."""
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    across = Markup('<path class="grid" d="M{} {:.1f}H{}"/><text x="{}" y="{:.1f}" text-anchor="end">{}</text>')
    below = Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>')
    middle = (_TOP + bottom) / 2
    return Markup().join(
        [
            *(across.format(_LEFT, _y(y, at), right, _LEFT - 6, _y(y, at) + 4, name) for at, name in y.ticks),
            *(below.format(_x(x, at), bottom + 16, name) for at, name in x.ticks),
            Markup('<path class="axis" d="M{} {}H{}"/>').format(_LEFT, bottom, right),
            below.format((_LEFT + right) / 2, _HEIGHT - 6, x.label),
            Markup('<text transform="translate(11 {}) rotate(-90)" text-anchor="middle">{}</text>').format(
                middle, y.label
            ),
        ]
    )


def _line(line: Line, x: Axis, y: Axis) -> Markup:
    places = [(_x(x, at), _y(y, value)) for at, value in line.points]
    path = "M" + "L".join(f"{across:.1f} {down:.1f}" for across, down in places)
    marks = places if len(places) <= _MOST_MARKS else []
    return Markup('<g class="{}"><title>{}</title><path class="line" d="{}"/>{}</g>').format(
        _style(line.number), line.name, path, Markup().join(_mark(line.number, *place) for place in marks)
    )


def _style(number: int) -> str:
    """A colour, and for those beyond the last colour another stroke."""
    return f"series c{number % _COLOURS} d{number // _COLOURS % _DASHES}"


def _mark(number: int, across: Number, down: Number) -> Markup:
    shape = _MARKS[number % len(_MARKS)]
    return Markup('<path class="mark" transform="translate({:.1f} {:.1f})" d="{}"/>').format(across, down, shape)


def legend(names: Sequence[str]) -> Markup:
    """Which line is which run: each number's stroke and mark beside its name."""
    key = Markup(
        '<li><svg class="key" viewBox="0 0 30 12" aria-hidden="true"><g class="{}"><path class="line" d="M1 6H29"/>{}'
        "</g></svg>{}</li>"
    )
    keys = (key.format(_style(number), _mark(number, 15, 6), name) for number, name in enumerate(names))
    return Markup('<ul class="legend">{}</ul>').format(Markup().join(keys))


def matrix(alignment: Alignment, description: str) -> Markup:
    """An alignment: source pieces from left to right, target pieces downwards; the stronger a cell, the more attention.

    Bahdanau et al. 2015, figure 3, shows the same in white on black.

    Args:
        alignment: the attention of one translation.
        description: says the same in words.
    """
    source, target = ([printable(piece) for piece in side] for side in (alignment.source, alignment.target))
    left, top = (max(map(len, side)) * _LETTER + 8 for side in (target, source))
    width, height = len(source) * _CELL, len(target) * _CELL
    across = Markup('<text transform="translate({:.1f} {:.1f}) rotate(-90)">{}</text>')
    down = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>')
    parts = [
        *(across.format(left + (at + 0.7) * _CELL, top - 4, piece) for at, piece in enumerate(source)),
        *(down.format(left - 4, top + (at + 0.7) * _CELL, piece) for at, piece in enumerate(target)),
        Markup('<path class="frame" d="M{:.1f} {:.1f}h{}v{}h{}z"/>').format(left, top, width, height, -width),
        _cells(alignment, left, top),
    ]
    return Markup('<svg class="matrix" width="{:.0f}" height="{:.0f}" role="img" aria-label="{}">{}</svg>').format(
        left + width + 1, top + height + 1, description, Markup().join(parts)
    )


def _cells(alignment: Alignment, left: Number, top: Number) -> Markup:
    cell = Markup('<path class="cell" opacity="{:.2f}" d="M{:.1f} {:.1f}h{}v{}h{}z"/>')
    return Markup().join(
        cell.format(weight, left + column * _CELL, top + row * _CELL, _CELL, _CELL, -_CELL)
        for row, weights in enumerate(alignment.weights.tolist())
        for column, weight in enumerate(weights)
        if weight >= FAINTEST
    )
