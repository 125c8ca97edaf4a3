"""Printed charts: page, axes, gridlines and legend in varied styles; families draw what is in the plot."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from deepeyes_env.images import EncodedImage
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, mix, text_width
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight

WIDTH, HEIGHT = 1120, 784
"""A page in pixels; multiples of 28, so that it is observed at its own size (reference 1.6)."""

PALETTES = (
    ("#2f6db5", "#d1552f", "#3f9b68", "#8b55a6", "#d9a021", "#d0588a"),
    ("#0072b2", "#d55e00", "#009e73", "#d1609f", "#e6a700", "#56b4e9"),
    ("#27548a", "#b8342f", "#6b8e23", "#dd8a1f", "#7b4a9e", "#1f9aa0"),
    ("#4062bb", "#e4572e", "#5fad56", "#f2b134", "#a23b8e", "#29a3a3"),
)
"""Colours of marks; within a palette at least 0.09 apart in a channel's share, so hue tells them apart."""

PAPERS = ("#ffffff", "#fbf7ee", "#f4f6f8", "#f7f1e3", "#f3f5ee")
INKS = ("#22262b", "#2b2a3a", "#33291f", "#1d2f3a")
GRIDS = ("lines", "dashes", "dots")

SOURCES = (
    "Source: the company's own books.",
    "Compiled from yearly returns.",
    "Figures as reported; rounding excepted.",
    "From the trade register.",
)


@dataclass(frozen=True, slots=True)
class Style:
    """How a chart is printed.

    Attributes:
        paper: Colour of the page.
        ink: Colour of letters and axes.
        palette: Colours of marks, in the order of the legend.
        body: Font of labels.
        bold: Font of the title.
        grid: One of `GRIDS`.
        framed: Whether the plot has four sides.
        centred: Whether titles are centred over the plot.
        aside: Whether the legend stands to the right of the plot instead of above it.
        left: Plot's left edge in pixels.
        top: Its upper edge.
        right: Its right edge.
        bottom: Its lower edge.
    """

    paper: str
    ink: str
    palette: tuple[str, ...]
    body: str
    bold: str
    grid: str
    framed: bool
    centred: bool
    aside: bool
    left: int
    top: int
    right: int
    bottom: int

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the plot in shares of the page."""
        return self.left / WIDTH, self.top / HEIGHT, self.right / WIDTH, self.bottom / HEIGHT

    @property
    def pale(self) -> tuple[int, int, int]:
        """Colour of lesser letters."""
        return mix(self.ink, self.paper, 0.3)


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis along the whole plot.

    Attributes:
        low: Value at its beginning (left or bottom).
        high: Value at its end.
        parts: Gridlines part it so many times.
    """

    low: float
    high: float
    parts: int

    def share(self, value: float) -> float:
        """Where a value lies, from 0 at the beginning to 1 at the end."""
        return (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[float]:
        """Values at the gridlines, both ends among them."""
        return [self.low + (self.high - self.low) * part / self.parts for part in range(self.parts + 1)]


def choose_style(rng: random.Random, legend: bool = True) -> Style:
    """A style; `legend` leaves room for one."""
    palette = rng.choice(PALETTES)
    body, bold = rng.choice((("sans", "bold"), ("serif", "serif-bold"), ("sans", "serif-bold")))
    aside = legend and rng.random() < 0.4
    top = rng.randint(136, 154) + (44 if legend and not aside else 0)
    return Style(
        paper=rng.choice(PAPERS),
        ink=rng.choice(INKS),
        palette=tuple(rng.sample(palette, len(palette))),
        body=body,
        bold=bold,
        grid=rng.choice(GRIDS),
        framed=rng.random() < 0.4,
        centred=rng.random() < 0.35,
        aside=aside,
        left=rng.randint(122, 146),
        top=top,
        right=rng.randint(846, 862) if aside else rng.randint(1040, 1066),
        bottom=rng.randint(640, 660),
    )


def page(style: Style, title: str, subtitle: str, rng: random.Random) -> Canvas:
    """An empty page with its headings and a note at the foot."""
    canvas = Canvas(WIDTH, HEIGHT, style.paper)
    x, align = ((style.left + style.right) / 2, "centre") if style.centred else (style.left - 60, "left")
    canvas.text(x, 58, title, rng.choice((29, 31, 33)), style.ink, style.bold, align=align)
    canvas.text(x, 99, subtitle, 20, style.pale, style.body, align=align)
    if rng.random() < 0.5:
        canvas.line([(style.left - 60, 124), (style.right, 124)], style.pale, 1)
    note = rng.choice(SOURCES)
    canvas.text(style.left - 60, HEIGHT - 30, note, 14, style.pale, style.body, align="left")
    return canvas


def value_axis(canvas: Canvas, style: Style, axis: Axis, title: str = "") -> None:
    """The upright axis with gridlines and numbers."""
    rows = [y_of(style, axis, tick) for tick in axis.ticks]
    _gridlines(canvas, style, [[(style.left, row), (style.right, row)] for row in rows])
    for row, tick in zip(rows, axis.ticks, strict=True):
        canvas.text(style.left - 14, row, number(tick), 17, style.pale, style.body, align="right")
    if title:
        middle = (style.top + style.bottom) / 2
        canvas.text(28, middle, title, 16, style.pale, style.body, angle=-90)


def level_axis(canvas: Canvas, style: Style, axis: Axis, title: str) -> None:
    """The level axis with gridlines and numbers."""
    columns = [x_of(style, axis, tick) for tick in axis.ticks]
    _gridlines(canvas, style, [[(column, style.top), (column, style.bottom)] for column in columns])
    for column, tick in zip(columns, axis.ticks, strict=True):
        canvas.text(column, style.bottom + 24, number(tick), 17, style.pale, style.body)
    canvas.text((style.left + style.right) / 2, style.bottom + 60, title, 16, style.pale, style.body)


def axis_lines(canvas: Canvas, style: Style) -> None:
    """The plot's frame, or its lower and left side; drawn after the marks."""
    corners = [
        (style.left, style.top),
        (style.left, style.bottom),
        (style.right, style.bottom),
        (style.right, style.top),
    ]
    canvas.line([*corners, corners[0]] if style.framed else corners[:3], style.ink, 1.6)


def legend(canvas: Canvas, style: Style, labels: Sequence[str]) -> None:
    """Names beside swatches in the palette's order; outside the plot, as `style.aside` says."""
    x, y = (style.right + 30.0, style.top + 24.0) if style.aside else (style.left + 0.0, style.top - 36.0)
    wide = sum(text_width(label, 17, style.body) + 61 for label in labels)
    size = 17.0 if style.aside else 17 * min(1.0, (WIDTH - 10 - x) / wide)
    for label, colour in zip(labels, style.palette, strict=False):
        canvas.rectangle(x, y - 8, x + 18, y + 8, colour)
        canvas.text(x + 27, y, label, size, style.ink, style.body, align="left")
        if style.aside:
            y += 36
        else:
            x += text_width(label, size, style.body) + 61 * size / 17


def dashed(canvas: Canvas, start: Point, end: Point, colour: str, width: float) -> None:
    """A dashed line across the plot."""
    canvas.lines(_dashed(start, end, 9.0, 7.0), colour, width)


def x_of(style: Style, axis: Axis, value: float) -> float:
    """Column of a value in pixels."""
    return style.left + (style.right - style.left) * axis.share(value)


def y_of(style: Style, axis: Axis, value: float) -> float:
    """Row of a value in pixels."""
    return style.bottom - (style.bottom - style.top) * axis.share(value)


def number(value: float) -> str:
    """A number as charts print it."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def print_out(canvas: Canvas, rng: random.Random) -> EncodedImage:
    """The finished page, evenly lit as from a scanner."""
    return as_jpeg(daylight(canvas, rng, shade=0.05), rng.randint(88, 95), fine_colour=True)


def _gridlines(canvas: Canvas, style: Style, strokes: list[list[Point]]) -> None:
    dash, gap = {"lines": (1e9, 1.0), "dashes": (9.0, 7.0), "dots": (1.5, 6.0)}[style.grid]
    pieces = [piece for stroke in strokes for piece in _dashed(stroke[0], stroke[1], dash, gap)]
    canvas.lines(pieces, mix(style.paper, style.ink, 0.24 if style.grid == "lines" else 0.4), 1)


def _dashed(start: Point, end: Point, dash: float, gap: float) -> list[list[Point]]:
    """A straight line as strokes."""
    (x0, y0), (x1, y1) = start, end
    length = math.hypot(x1 - x0, y1 - y0)
    count = max(1, int(length // (dash + gap)))
    step = length / count
    return [
        [
            (x0 + (x1 - x0) * place * step / length, y0 + (y1 - y0) * place * step / length),
            (
                x0 + (x1 - x0) * min(1.0, (place * step + min(dash, step)) / length),
                y0 + (y1 - y0) * min(1.0, (place * step + min(dash, step)) / length),
            ),
        ]
        for place in range(count)
    ]
