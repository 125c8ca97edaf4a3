"""A delivery note on a desk: letterhead, number and date, a table of goods, a signature."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, box, mix, text_width

WIDTH, HEIGHT = 952, 1064

SHEET = (70, 52, 882, 1024)
"""The sheet's left, top, right and bottom in pixels."""

HEAD_BOX = (0.52, 0.19, 0.93, 0.27)
"""Where number and date stand, in shares of the picture."""

SIGNATURE_BOX = (0.5, 0.85, 0.93, 0.925)
"""Where the signature stands."""

DESKS = ("#6b4a32", "#4d382c", "#7d5c40", "#3f3d3a", "#59463f")
PAPERS = ("#f3ecd9", "#efe7d2", "#f6f1e4", "#ece6d8")
HEADS = ("#27415f", "#6a2630", "#2f5140", "#3d3150", "#4a3a22")


@dataclass(frozen=True, slots=True)
class Note:
    """What the note says.

    Attributes:
        company: On the letterhead.
        trade: Below it.
        town: Where the company is.
        date: The date, in words.
        signed: Name of the person who signed.
        rows: Quantity, article and price of each line.
    """

    company: str
    trade: str
    town: str
    date: str
    signed: str
    rows: tuple[tuple[int, str, int], ...]


def paint_note(note: Note, letters: float, ink: float, rng: random.Random) -> Canvas:
    """Paint a note.

    Args:
        note: What it says.
        letters: Size of date and signature in pixels per em.
        ink: How dark they still are, as a share of the print's darkness.
        rng: Chooses desk, paper and stains.
    """
    desk, paper, head = rng.choice(DESKS), rng.choice(PAPERS), rng.choice(HEADS)
    canvas = Canvas(WIDTH, HEIGHT, desk)
    _grain(canvas, desk, rng)
    left, top, right, bottom = SHEET
    for spread in (14, 9, 4):
        canvas.shadows([box(left - spread, top - spread, right + spread, bottom + spread)], 6, 9, 0.09)
    canvas.polygon(_edge(rng), paper)
    for _ in range(9):
        stain = mix(paper, "#8a6a3a", rng.uniform(0.05, 0.16))
        x, y = rng.uniform(left + 60, right - 60), rng.uniform(top + 60, bottom - 60)
        canvas.circle(x, y, rng.uniform(12, 60), stain, alpha=0.3)
    for fold in (top + 330 + rng.uniform(-12, 12), top + 650 + rng.uniform(-12, 12)):
        canvas.line([(left + 2, fold), (right - 2, fold)], mix(paper, "#6a5a40", 0.32), 1.6)
        canvas.line([(left + 2, fold + 2), (right - 2, fold + 2)], "white", 1.2, alpha=0.6)
    _cup_ring(canvas, rng)
    _letterhead(canvas, note, head, paper)
    faded = mix(paper, "#24211d", ink)
    number = f"Delivery note no. {rng.randint(1000, 9999)}"
    canvas.text(right - 62, top + 176, number, 15, mix(paper, head, 0.85), "serif", align="right")
    canvas.text(right - 62, top + 204, note.date, letters, faded, "serif", align="right")
    _table(canvas, note.rows, head, paper)
    line = bottom - 98
    canvas.line([(right - 360, line), (right - 62, line)], mix(paper, head, 0.7), 1)
    canvas.text(right - 211, line + 18, "for the company", 13, mix(paper, head, 0.8), "serif")
    canvas.text(
        right - 211 + rng.uniform(-50, 50), line - 13, note.signed, letters * 1.25, faded, "serif-italic"
    )
    return canvas


def _grain(canvas: Canvas, desk: str, rng: random.Random) -> None:
    for shade in ("black", "white"):
        strokes: list[Sequence[Point]] = []
        for _ in range(16):
            y, drift, phase = rng.uniform(0, HEIGHT), rng.uniform(3, 12), rng.uniform(0, 6)
            strokes.append([(x, y + drift * math.sin(phase + x / 190)) for x in range(0, WIDTH + 120, 119)])
        canvas.lines(strokes, mix(desk, shade, 0.12), 1.6)


def _edge(rng: random.Random) -> list[Point]:
    left, top, right, bottom = SHEET
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    edge: list[Point] = []
    for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
        edge += [
            (ax + (bx - ax) * step / 24 + rng.uniform(-1, 1), ay + (by - ay) * step / 24 + rng.uniform(-1, 1))
            for step in range(24)
        ]
    return edge


def _cup_ring(canvas: Canvas, rng: random.Random) -> None:
    x, y = rng.uniform(180, 400), rng.uniform(640, 900)
    for radius, width, alpha in ((58, 5, 0.22), (60, 2, 0.3), (55, 1.5, 0.2)):
        canvas.circle(x, y, radius, None, "#7a4a22", width, alpha)


def _letterhead(canvas: Canvas, note: Note, head: str, paper: str) -> None:
    left, top, right, _ = SHEET
    middle = (left + right) / 2
    size = min(46.0, 560 / text_width(note.company, 1, "serif-bold"))
    canvas.text(middle, top + 66, note.company, size, head, "serif-bold")
    canvas.text(
        middle, top + 108, f"makers of {note.trade} · {note.town}", 17, mix(paper, head, 0.8), "serif"
    )
    for row, width in ((132, 2.2), (137, 0.8)):
        canvas.line([(left + 56, top + row), (right - 56, top + row)], head, width)
    for side in (-1, 1):
        x = middle + side * 330
        canvas.circle(x, top + 66, 15, None, head, 1.6)
        canvas.circle(x, top + 66, 10, head)
        canvas.circle(x, top + 66, 4, paper)


def _table(canvas: Canvas, rows: Sequence[tuple[int, str, int]], head: str, paper: str) -> None:
    left, top, right, _ = SHEET
    a, b, first, step = left + 62, right - 62, top + 268, 39
    ink, rule = mix(paper, "#24211d", 0.86), mix(paper, head, 0.45)
    canvas.rectangle(a, first - 22, b, first + 14, mix(paper, head, 0.16))
    for x, word, align in (
        (a + 66, "No.", "right"),
        (a + 100, "Article", "left"),
        (b - 12, "Crowns", "right"),
    ):
        canvas.text(x, first - 4, word, 15, head, "serif-bold", align=align)
    ruled = [[(a, first + 14 + step * k), (b, first + 14 + step * k)] for k in range(14)]
    canvas.lines(
        [*ruled, *([(x, first - 22), (x, first + 14 + step * 13)] for x in (a + 82, b - 96))], rule, 1
    )
    for place, (count, article, price) in enumerate(rows):
        y = first + 14 + step * (place + 0.55)
        canvas.text(a + 66, y, str(count), 18, ink, "serif", align="right")
        canvas.text(a + 100, y, article, 18, ink, "serif", align="left")
        canvas.text(b - 12, y, f"{count * price:,}", 18, ink, "serif", align="right")
    total = first + 14 + step * 13 + 26
    canvas.text(b - 110, total, "Total", 18, head, "serif-bold", align="right")
    canvas.text(
        b - 12,
        total,
        f"{sum(count * price for count, _, price in rows):,}",
        18,
        ink,
        "serif-bold",
        align="right",
    )
