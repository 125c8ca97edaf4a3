"""Documents: a letter, a deed or a newspaper cutting as a sheet of paper with its text in full."""

from __future__ import annotations

import random
from collections.abc import Sequence

from deepeyes_env.tasks.worlds.drawing.brush import Brush
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, mix, text_width

SHEETS = {"letter": "#f3ead4", "deed": "#e9dcb8", "cutting": "#e6e2d6"}
INKS = {"letter": "#2a3050", "deed": "#2f2118", "cutting": "#1d1b1a"}
FACES = {"letter": "serif-italic", "deed": "serif", "cutting": "serif"}


def paint_document(
    canvas: Canvas, kind: str, heading: str, paragraphs: Sequence[str], signature: str,
    x: float, y: float, width: float, height: float, rng: random.Random,
) -> None:  # fmt: skip
    """Paint a sheet of `width` by `height` pixels centred at `(x, y)`, its text as large as it can be.

    Args:
        canvas: What is painted on.
        kind: A key of `SHEETS`.
        heading: First line.
        paragraphs: What follows.
        signature: Last line.
        x: Column of the sheet's centre in pixels.
        y: Row of its centre.
        width: Pixels.
        height: Pixels.
        rng: Chooses stains, folds and rough edges.
    """
    left, top = x - width / 2, y - height / 2
    paint_sheet(canvas, kind, x, y, width, height, rng)
    ink, face = INKS[kind], FACES[kind]
    margin = width * 0.085
    size, lines = fitted(
        paragraphs, face, width - 2 * margin, height * (0.62 if kind == "letter" else 0.6), width / 17
    )
    row: float = top + height * 0.1
    if kind == "letter":
        canvas.text(left + width - margin, row, heading, min(size, width / 20), ink, face, align="right")
    elif kind == "deed":
        canvas.text(x, row, heading, min(width / 9, height / 10), ink, "serif-bold")
        for shift in (-1, 1):
            canvas.line([(x + shift * width * 0.3, row), (x + shift * width * 0.42, row)], ink, width * 0.004)
    else:
        big = min(width / 11, height / 9, (width - 2 * margin) / text_width(heading, 1, "serif-bold"))
        canvas.text(x, row, heading, big, ink, "serif-bold")
        for below in (0.055, 0.062):
            canvas.line(
                [(left + margin, row + height * below), (left + width - margin, row + height * below)],
                ink,
                width * 0.003,
            )
    row += height * 0.085 + size
    for paragraph in lines:
        for line in paragraph:
            canvas.text(left + margin, row, line, size, ink, face, align="left")
            row += size * 1.45
        row += size * 0.45
    low = top + height * 0.92
    if kind == "letter":
        canvas.text(left + width - margin, low, signature, size * 1.05, ink, face, align="right")
        start = left + width - margin - text_width(signature, size, face)
        swash: list[Point] = [
            (start, low + size),
            (start + width * 0.1, low + size * 0.75),
            (start + width * 0.2, low + size * 1.1),
            (left + width - margin, low + size * 0.7),
        ]
        Brush(canvas, 0, 0, 1).stroke(swash, ink, size * 0.05)
    elif kind == "deed":
        canvas.text(left + margin, low, signature, size, ink, "serif-italic", align="left")
        seal = Brush(canvas, left + width * 0.84, low - height * 0.03, width * 0.065)
        seal.blob(
            [(0, -1), (0.8, -0.75), (1.05, 0), (0.7, 0.8), (0, 1), (-0.8, 0.7), (-1, 0), (-0.7, -0.8)],
            "#9a2420",
            1,
            "#6e1512",
            0.08,
        )
        seal.oval(0, 0, 0.6, 0.6, None, 1, "#6e1512", 0.09)
        seal.oval(-0.3, -0.35, 0.25, 0.12, "white", 0.3, tilt=-30)
    else:
        canvas.line(
            [(left + margin, low - size * 1.3), (left + width - margin, low - size * 1.3)], ink, width * 0.002
        )
        canvas.text(left + width - margin, low, signature, size, ink, "serif-italic", align="right")


def fitted(
    paragraphs: Sequence[str], face: str, width: float, height: float, largest: float
) -> tuple[float, list[list[str]]]:
    """The largest size in pixels per em, down from `largest`, at which the text fits, and its lines."""
    size = largest
    while True:
        lines = [wrapped(paragraph, size, face, width) for paragraph in paragraphs]
        tall = sum(len(each) * 1.45 * size + 0.45 * size for each in lines)
        if tall <= height:
            return size, lines
        size *= 0.95


def wrapped(text: str, size: float, face: str, width: float) -> list[str]:
    """The lines of a paragraph."""
    lines: list[str] = []
    used, space = 0.0, text_width(" ", size, face)
    for word in text.split():
        wide = text_width(word, size, face)
        if lines and used + space + wide <= width:
            lines[-1] += f" {word}"
            used += space + wide
        else:
            lines.append(word)
            used = wide
    return lines


def paint_sheet(
    canvas: Canvas, kind: str, x: float, y: float, width: float, height: float, rng: random.Random
) -> None:
    """Paint the empty sheet: stains, folds, a rough edge and its shadow."""
    paper = SHEETS[kind]
    brush = Brush(canvas, x, y, 1)
    rough = {"letter": 0.002, "deed": 0.004, "cutting": 0.006}[kind] * width
    edge: list[Point] = []
    corners = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
    for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
        for step in range(14):
            share = step / 14
            edge.append(
                (
                    (ax + (bx - ax) * share) * width + rng.uniform(-rough, rough),
                    (ay + (by - ay) * share) * height + rng.uniform(-rough, rough),
                )
            )
    for step in (1, 2):
        shift = width * 0.008 * step
        canvas.shadows([brush.place(edge)], shift, shift, 0.16)
    brush.shape(edge, paper)
    for _ in range(7):
        r = rng.uniform(0.02, 0.09) * width
        px, py = rng.uniform(-0.5, 0.5) * (width - 2 * r), rng.uniform(-0.5, 0.5) * (height - 2 * r)
        brush.oval(px, py, r, r * rng.uniform(0.6, 1), "#a8844a", 0.05)
    for share in (1 / 3, 2 / 3) if kind != "cutting" else (0.5,):
        fold = -height / 2 + height * (share + rng.uniform(-0.01, 0.01))
        brush.stroke(
            [(-width / 2, fold), (width / 2, fold)], mix(paper, "black", 0.25), width * 0.003, 0.6, soft=False
        )
        brush.stroke([(-width / 2, fold + 2), (width / 2, fold + 2)], "white", width * 0.003, 0.5, soft=False)
