"""A wall calendar: a picture, a month and its days, one of them circled by hand."""

from __future__ import annotations

import calendar
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from PIL import Image

from deepeyes_env.tasks.worlds.drawing import harbour, scenery
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, box, mix, text_width
from deepeyes_env.tasks.worlds.drawing.hill_town import paint_town
from deepeyes_env.tasks.worlds.drawing.specimen import draw_specimen_facts, paint_specimen

SIZES = {"tall": (868, 1120), "wide": (1120, 812)}
"""Layout -> width and height of the photograph in pixels: the picture above the days, or beside them."""

INKS = {"blue": "#1744e6", "violet": "#7a1fd6", "magenta": "#d80f86"}
"""Felt pens that circle a day; nothing printed below the picture has their hues."""

PENCILS = ("#55565a", "#7a6a5a", "#3f4a45")
"""What other days are marked with."""

MARKS = ("cross", "tick", "underline", "dot")
"""How other days are marked."""

ACCENTS = ("#a3312b", "#1f6152", "#8a5a1f", "#5b3a2e", "#b5482a", "#3a4a44")
"""Colours of a calendar's Sundays and lines."""

PAPERS = ("#fdfcf7", "#f8f3e6", "#f4f5f2", "#fbf6ee")
WALLS = (("#d9d3c6", "#c5bcab"), ("#c8d0cf", "#b0bab9"), ("#d8c9b8", "#c2b09b"), ("#bfc7b8", "#a8b1a0"))
"""Upper and lower colour of a painted wall."""

LANGUAGES = {
    "English": (
        "January February March April May June July August September October November December",
        "Mon Tue Wed Thu Fri Sat Sun",
    ),
    "French": (
        "Janvier Février Mars Avril Mai Juin Juillet Août Septembre Octobre Novembre Décembre",
        "lun mar mer jeu ven sam dim",
    ),
    "German": (
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "Mo Di Mi Do Fr Sa So",
    ),
    "Spanish": (
        "Enero Febrero Marzo Abril Mayo Junio Julio Agosto Septiembre Octubre Noviembre Diciembre",
        "lun mar mié jue vie sáb dom",
    ),
    "Italian": (
        "Gennaio Febbraio Marzo Aprile Maggio Giugno Luglio Agosto Settembre Ottobre Novembre Dicembre",
        "lun mar mer gio ven sab dom",
    ),
    "Portuguese": (
        "Janeiro Fevereiro Março Abril Maio Junho Julho Agosto Setembro Outubro Novembro Dezembro",
        "seg ter qua qui sex sáb dom",
    ),
}
"""Language -> its months, and its days of the week from Monday on."""

LOOPS = 26
"""Pixels between two loops of the binding."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a calendar shows.

    Attributes:
        year: Its year.
        month: 1 to 12.
        circled: The day in the ring.
        ink: The ring's, a key of `INKS`.
        marks: Other days, and how each is marked: one of `MARKS`.
        imprint: Printed at the foot of the leaf.
        letters: Height of the imprint in pixels per em.
        layout: A key of `SIZES`.
    """

    year: int
    month: int
    circled: int
    ink: str
    marks: tuple[tuple[int, str], ...]
    imprint: str
    letters: float
    layout: str


@dataclass(frozen=True, slots=True)
class _Style:
    paper: str
    accent: str
    font: str
    bold: str
    language: str
    first: int
    has_boxes: bool
    has_neighbours: bool
    has_weeks: bool


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the days stand: its box in pixels, and the weeks as `calendar` gives them."""

    left: float
    top: float
    wide: float
    high: float
    weeks: list[list[tuple[int, int]]]

    def cell(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of a day."""
        step, deep = self.wide / 7, self.high / len(self.weeks)
        left, top = self.left + column * step, self.top + row * deep
        return left, top, left + step, top + deep

    def day(self, number: int) -> tuple[float, float, float, float]:
        """The cell of a day of the month."""
        return next(
            self.cell(row, column)
            for row, week in enumerate(self.weeks)
            for column, (day, of_month) in enumerate(week)
            if of_month == 0 and day == number
        )


def hang(leaf: Leaf, rng: random.Random) -> Canvas:
    """The calendar on the wall of an office.

    Args:
        leaf: What it shows.
        rng: Chooses the wall, the print, the picture and the hand; the ring comes last, so that two leaves
            which differ in the circled day are alike but for their rings.
    """
    width, height = SIZES[leaf.layout]
    style = _Style(
        rng.choice(PAPERS),
        rng.choice(ACCENTS),
        *rng.choice((("sans", "bold"), ("serif", "serif-bold"))),
        language=rng.choice(list(LANGUAGES)),
        first=rng.choice((calendar.MONDAY, calendar.SUNDAY)),
        has_boxes=rng.random() < 0.5,
        has_neighbours=rng.random() < 0.5,
        has_weeks=rng.random() < 0.3,
    )
    canvas = _wall(width, height, rng)
    left, top = round(width * 0.07) + rng.randint(-14, 14), 66 + rng.randint(-8, 8)
    right, bottom = left + round(width * 0.86), top + round(height * 0.88)
    _lay_block(canvas, left, top, right, bottom, style.paper)
    paint = rng.choice(PICTURES)
    if leaf.layout == "tall":
        frame = (left + 26, top + 40, right - 26, top + 40 + round((bottom - top) * 0.4))
        room = (left + 30, frame[3] + 30, right - 30, bottom - 20)
    else:
        frame = (left + 26, top + 40, left + 26 + round((right - left) * 0.42), bottom - 26)
        room = (frame[2] + 28, top + 46, right - 30, bottom - 20)
    canvas.paste(paint(frame[2] - frame[0], frame[3] - frame[1], rng), frame[0], frame[1])
    canvas.rectangle(*frame, None, mix(style.paper, "black", 0.35), 1)
    grid = _print_month(canvas, leaf, room, style)
    _bind(canvas, left, right, top)
    for day, mark in leaf.marks:
        _mark(canvas, grid.day(day), mark, rng)
    _circle(canvas, grid.day(leaf.circled), INKS[leaf.ink], rng)
    return canvas


def _wall(width: int, height: int, rng: random.Random) -> Canvas:
    upper, lower = rng.choice(WALLS)
    kind = rng.choice(("plaster", "boards", "stripes"))
    canvas = Canvas(width, height, upper)
    if kind == "boards":
        pitch = rng.choice((92, 118, 140))
        for x in range(-rng.randrange(pitch), width, pitch):
            canvas.rectangle(x, 0, x + pitch, height, mix(upper, lower, rng.random()))
            canvas.line([(x, 0), (x, height)], mix(lower, "black", 0.3), 2)
    elif kind == "stripes":
        pitch = rng.choice((36, 48))
        canvas.rectangles([(x, 0, x + pitch / 2, height) for x in range(0, width, pitch)], lower)
    else:
        dabs = [(rng.uniform(0, width), rng.uniform(0, height), rng.uniform(30, 110)) for _ in range(70)]
        canvas.circles(dabs, lower, alpha=0.08)
    return canvas


def _lay_block(canvas: Canvas, left: float, top: float, right: float, bottom: float, paper: str) -> None:
    """The leaves on the wall, with the edges of the months to come and their shadow."""
    for spread, alpha in ((22, 0.07), (14, 0.1), (7, 0.14)):
        canvas.shadows([box(left, top, right, bottom)], spread * 0.7, spread, alpha)
    for below in (8, 5, 2):
        canvas.rectangle(left + below / 2, top, right - below / 2, bottom + below, mix(paper, "black", 0.16))
        canvas.rectangle(
            left + below / 2, top, right - below / 2, bottom + below - 1, mix(paper, "black", 0.06)
        )
    canvas.rectangle(left, top, right, bottom, paper)


def _bind(canvas: Canvas, left: float, right: float, top: float) -> None:
    """Holes and wire loops along the upper edge, and the hook on its nail."""
    middle = (left + right) / 2
    canvas.line([(middle - 46, top - 2), (middle - 12, top - 30), (middle + 12, top - 30)], "#4d5054", 3)
    canvas.line([(middle + 12, top - 30), (middle + 46, top - 2)], "#4d5054", 3)
    canvas.circle(middle + 2, top - 31, 6, "black", alpha=0.25)
    canvas.circle(middle, top - 34, 6, "#b9bcc0", "#6c7075", 1.5)
    count = int((right - left - 36) // LOOPS)
    start = middle - (count - 1) * LOOPS / 2
    places = [start + LOOPS * step for step in range(count)]
    canvas.circles([(x, top + 14, 4.2) for x in places], "#5b5d60")
    for shift, colour, thick in ((0.0, "#3c3f43", 4.0), (-0.8, "#a9adb3", 1.6)):
        loops = [[(x + shift, top + 14), (x + shift - 2, top - 2), (x + shift, top - 9)] for x in places]
        canvas.lines(loops, colour, thick)


def _print_month(canvas: Canvas, leaf: Leaf, room: tuple[float, float, float, float], style: _Style) -> _Grid:
    """Print heading, days and imprint in a box in pixels."""
    left, top, right, bottom = room
    months, days = (words.split() for words in LANGUAGES[style.language])
    ink = "#26282c"
    name, year = months[leaf.month - 1], str(leaf.year)
    tall = min(50.0, (right - left) * 0.72 / text_width(name, 1, style.bold))
    canvas.text(left, top + 24, name, tall, style.accent, style.bold, align="left")
    canvas.text(right, top + 26, year, 34, mix(ink, style.paper, 0.25), style.font, align="right")
    canvas.line([(left, top + 58), (right, top + 58)], style.accent, 2)
    margin = 34 if style.has_weeks else 0
    weeks = [
        [(day.day, (day.month - leaf.month + 6) % 12 - 6) for day in week]
        for week in calendar.Calendar(style.first).monthdatescalendar(leaf.year, leaf.month)
    ]
    foot = bottom - 18
    grid = _Grid(left + margin, top + 102, right - left - margin, foot - 26 - (top + 102), weeks)
    for column in range(7):
        x = (grid.cell(0, column)[0] + grid.cell(0, column)[2]) / 2
        weekday = (style.first + column) % 7
        tint = style.accent if weekday == calendar.SUNDAY else mix(ink, style.paper, 0.35)
        canvas.text(x, top + 82, days[weekday], 16, tint, style.font)
    if style.has_boxes:
        cells = [grid.cell(row, column) for row in range(len(weeks)) for column in range(7)]
        tint = mix(style.paper, style.accent, 0.07)
        canvas.rectangles([(a + 2, b + 2, c - 2, d - 2) for a, b, c, d in cells], tint)
    else:
        rules = [[(left, grid.cell(row, 0)[1]), (right, grid.cell(row, 0)[1])] for row in range(len(weeks))]
        canvas.lines(rules, mix(style.paper, "black", 0.2), 1)
    _print_days(canvas, leaf, grid, style)
    canvas.text((left + right) / 2, foot, leaf.imprint, leaf.letters, mix(ink, style.paper, 0.12), style.font)
    return grid


def _print_days(canvas: Canvas, leaf: Leaf, grid: _Grid, style: _Style) -> None:
    size = min(27.0, grid.high / len(grid.weeks) * 0.45)
    for row, week in enumerate(grid.weeks):
        for column, (day, of_month) in enumerate(week):
            x, y = _middle(grid.cell(row, column))
            is_sunday = (style.first + column) % 7 == calendar.SUNDAY
            tint = style.accent if is_sunday else "#26282c"
            if of_month == 0:
                canvas.text(x, y, str(day), size, tint, style.bold if is_sunday else style.font)
            elif style.has_neighbours:
                canvas.text(x, y, str(day), size * 0.8, mix(tint, style.paper, 0.72), style.font)
        if style.has_weeks:
            number, y = _week_number(leaf, week, style.first), _middle(grid.cell(row, 0))[1]
            canvas.text(grid.left - 22, y, str(number), 12, mix("#26282c", style.paper, 0.5), style.font)


def _week_number(leaf: Leaf, week: list[tuple[int, int]], first: int) -> int:
    """The number of a row's Thursday, which ISO 8601 counts weeks by, whichever weekday rows begin with."""
    column, day = next((column, day) for column, (day, of_month) in enumerate(week) if of_month == 0)
    away = (calendar.THURSDAY - first) % 7 - column
    return (date(leaf.year, leaf.month, day) + timedelta(days=away)).isocalendar().week


def _middle(cell: tuple[float, float, float, float]) -> Point:
    left, top, right, bottom = cell
    return (left + right) / 2, (top + bottom) / 2


def _mark(canvas: Canvas, cell: tuple[float, float, float, float], mark: str, rng: random.Random) -> None:
    """A note to oneself on another day."""
    (x, y), pencil = _middle(cell), rng.choice(PENCILS)
    a, b, c, d = (rng.uniform(-3, 3) for _ in range(4))
    if mark == "cross":
        canvas.line([(x - 20 + a, y - 15 + b), (x + 20 + c, y + 15 + d)], pencil, 2.4, alpha=0.8)
        canvas.line([(x + 20 + b, y - 15 + a), (x - 20 + d, y + 15 + c)], pencil, 2.4, alpha=0.8)
    elif mark == "tick":
        canvas.line([(x + 16, y - 8 + a), (x + 22, y + b), (x + 34, y - 18 + c)], pencil, 2.4, alpha=0.8)
    elif mark == "underline":
        canvas.line([(x - 19 + a, y + 17 + b), (x, y + 18), (x + 19 + c, y + 16 + d)], pencil, 2.4, alpha=0.8)
    else:
        canvas.circle(x + 22 + a, y - 12 + b, 4.5, pencil, alpha=0.85)


def _circle(canvas: Canvas, cell: tuple[float, float, float, float], ink: str, rng: random.Random) -> None:
    """A ring that a hand drew: not round, and a little more than once about."""
    x, y = _middle(cell)
    x, y = x + rng.uniform(-2, 2), y + rng.uniform(-2, 2)
    down = min(27.0, (cell[3] - cell[1]) * 0.46)
    across = min(down * rng.uniform(1.1, 1.35), (cell[2] - cell[0]) * 0.47)
    start, sweep, tilt = rng.uniform(0, 6.3), rng.uniform(6.7, 7.6), rng.uniform(-0.25, 0.25)
    cos, sin = math.cos(tilt), math.sin(tilt)
    waves = [(k, rng.uniform(0, 6.3), rng.uniform(0.01, 0.035)) for k in (1, 2, 3)]
    points = []
    for step in range(61):
        turn = start + sweep * step / 60
        far = 0.94 + 0.1 * step / 60 + sum(swell * math.sin(k * turn + phase) for k, phase, swell in waves)
        u, v = across * far * math.cos(turn), down * far * math.sin(turn)
        points.append((x + u * cos - v * sin, y + u * sin + v * cos))
    canvas.line(points, ink, 4.2)


def _town(width: int, height: int, rng: random.Random) -> Image.Image:
    side = max(width, height)
    picture = paint_town(side, rng).finish()
    left, top = (side - width) // 2, side - height
    return picture.crop((left, top, left + width, top + height))


def _countryside(width: int, height: int, rng: random.Random) -> Image.Image:
    ground = rng.choice(("#7f9a66", "#a3a05c", "#c2a65a", "#8fa37a"))
    canvas = scenery.outdoors(width, height, height * 0.58, ground, rng)
    for depth in range(4):
        far = (depth + 1) / 4
        crest = height * (0.56 + 0.36 * far * far)
        phase, tint = (
            rng.uniform(0, 6),
            mix(ground, rng.choice(("white", "#3d4a2a", "#d9c27a")), 0.12 + 0.12 * far),
        )
        rise = [
            (x, crest + height * 0.03 * math.sin(phase + x / width * 5)) for x in range(0, width + 20, 20)
        ]
        canvas.polygon([*rise, (width, height), (0, height)], tint)
        for _ in range(rng.randint(2, 4)):
            tall = min(width, height) * (0.1 + 0.2 * far) * rng.uniform(0.8, 1.1)
            scenery.tree(canvas, rng.uniform(0.02, 0.98) * width, crest + height * 0.03, tall, rng)
    return canvas.finish()


def _harbour(width: int, height: int, rng: random.Random) -> Image.Image:
    canvas = harbour.waters(width, height, rng)
    water = height * (1 - harbour.HORIZON)
    pairs = rng.sample([(sail, hull) for sail in harbour.SAILS for hull in harbour.HULLS], 4)
    for place, (line, (sail, hull)) in enumerate(zip((0.12, 0.3, 0.52, 0.86), pairs, strict=True)):
        x = width * ((0.2, 0.72, 0.4, 0.7)[place] + rng.uniform(-0.06, 0.06))
        tall, bow = min(width, height) * (0.2 + 0.4 * line), rng.choice((-1, 1))
        number = str(rng.randint(11, 99))
        one = harbour.Boat(sail, hull, number, x, height * harbour.HORIZON + water * line, tall, bow)
        harbour.boat(canvas, one, tall * 0.055, rng)
    return canvas.finish()


def _plates(width: int, height: int, rng: random.Random) -> Image.Image:
    """Engraved plates of butterflies, beetles and flowers, as many as there is room for."""
    canvas = Canvas(width, height, rng.choice(("#d8d0bd", "#3f4a45", "#4a3b34", "#b9c1b4")))
    columns, rows = (2, 1) if width > height else (1, 2)
    step, deep = width / columns, height / rows
    side = min(step, deep) * 0.88
    for row in range(rows):
        for column in range(columns):
            x, y = step * (column + 0.5), deep * (row + 0.5)
            canvas.rectangle(
                x - side / 2 + 4, y - side / 2 + 5, x + side / 2 + 4, y + side / 2 + 5, "#1d1c1a"
            )
            paint_specimen(canvas, draw_specimen_facts(rng), x, y, side)
    return canvas.finish()


PICTURES: tuple[Callable[[int, int, random.Random], Image.Image], ...] = (
    _town,
    _countryside,
    _harbour,
    _plates,
)
"""What paints a calendar's picture, so many pixels wide and high."""
