"""Framed pictures on a wall, some with a round sticker on the wall below them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, box, mix

FRAME = "#b98d2f"
"""Gilding; nothing else in these pictures has its hue and as much of it."""

FRAME_SHARE = 0.09
"""Width of a frame as a share of the picture's width."""

STICKERS = {"red": "#d92a2f", "blue": "#2a62d8", "green": "#2fa84a", "pink": "#f06fb0"}
STICKER_RADIUS = 9
"""Pixels."""

STICKER_DROP = 24
"""Pixels from a frame's lower edge to the middle of its sticker."""

WIRE = 22
"""Pixels from a frame's upper edge to its nail."""

WALLPAPERS = ("#5d6b62", "#6b5d5c", "#525c6b", "#6f6a5c", "#5a5566", "#7a7468")


@dataclass(frozen=True, slots=True)
class Framed:
    """A framed picture.

    Attributes:
        x: Column of its centre in pixels.
        y: Row of its centre.
        width: Of the picture without its frame, in pixels.
        height: Of the picture without its frame.
        sticker: A key of `STICKERS`, or None.
    """

    x: float
    y: float
    width: float
    height: float
    sticker: str | None


def hang(
    rng: random.Random,
    size: tuple[float, float],
    stickers: Sequence[str | None],
    room: tuple[float, float, float, float],
    below: tuple[float, float] = (2 * STICKER_RADIUS, STICKER_DROP + STICKER_RADIUS),
) -> list[Framed]:
    """Pictures in one row or two, slightly uneven.

    Args:
        rng: Chooses how uneven.
        size: Width and height of a picture without its frame, in pixels.
        stickers: The sticker of each, in the order of rows.
        room: Left, top, right and bottom of the wall that may be hung with pictures, in pixels.
        below: Width and height kept free below each frame in pixels, for its sticker and its card.
    """
    count, (left, top, right, bottom) = len(stickers), room
    upper = count if count <= 3 else (count + 1) // 2
    hung = []
    for place, sticker in enumerate(stickers):
        row, of_row = (0, upper) if place < upper else (1, count - upper)
        step, rows = (right - left) / of_row, 1 if upper == count else 2
        column = place if row == 0 else place - upper
        widest = max(size[0] * 1.3, below[0] + 12)
        loose = (
            max(0.0, step - widest),
            max(0.0, (bottom - top) / rows - size[1] - size[0] * 2 * FRAME_SHARE - below[1] - WIRE),
        )
        x = left + step * (column + 0.5) + rng.uniform(-0.35, 0.35) * loose[0]
        y = (
            top
            + (bottom - top) * (row + 0.5) / rows
            - (below[1] - WIRE) / 2
            + rng.uniform(-0.4, 0.4) * loose[1]
        )
        hung.append(Framed(x, y, *size, sticker))
    return hung


def paint_wall(width: int, height: int, skirting: float, rng: random.Random) -> Canvas:
    """Striped wallpaper above a panelled skirting that begins at row `skirting`."""
    paper, wood = rng.choice(WALLPAPERS), rng.choice(("#d9d2c4", "#4a3a2e", "#cfd0cc", "#5c4a3a"))
    canvas = Canvas(width, height, paper)
    pitch = rng.choice((30, 44, 60))
    middles, half = range(pitch // 2, width, pitch), pitch * 0.225
    canvas.rectangles([(x - half, 0, x + half, height) for x in middles], mix(paper, "white", 0.07))
    canvas.rectangles([(x - 0.6, 0, x + 0.6, height) for x in middles], mix(paper, "black", 0.1))
    for row, thick, shade in ((24, 9, 0.0), (33, 3, 0.35)):
        canvas.rectangle(0, row, width, row + thick, mix(wood, "black", shade))
    canvas.rectangle(0, skirting, width, height, wood)
    canvas.rectangle(0, skirting, width, skirting + 7, mix(wood, "white", 0.35))
    canvas.rectangle(0, skirting + 7, width, skirting + 10, mix(wood, "black", 0.3))
    panel = width / 6
    for place in range(6):
        box = panel * place + 18, skirting + 28, panel * (place + 1) - 18, height - 16
        if box[3] > box[1]:
            canvas.rectangle(*box, None, mix(wood, "black", 0.22), 2)
    return canvas


def paint_framed(canvas: Canvas, framed: Framed, picture: Image.Image) -> None:
    """Hang a picture.

    Args:
        canvas: The wall.
        framed: Where and how large.
        picture: What is shown without its frame, RGB, as large as `framed` to the pixel.
    """
    x, y, edge = framed.x, framed.y, framed.width * FRAME_SHARE
    half = framed.width / 2, framed.height / 2
    frame = box(x - half[0] - edge, y - half[1] - edge, x + half[0] + edge, y + half[1] + edge)
    for dx, dy in ((4, 6), (7, 9)):
        canvas.shadows([frame], dx, dy, 0.2)
    top = y - half[1] - edge
    canvas.line([(x - half[0] * 0.4, top), (x, top - WIRE), (x + half[0] * 0.4, top)], "#2a2622", 1)
    canvas.circle(x, top - WIRE, 3, "#cfc6b0", "#3a342c", 1)
    canvas.rectangle(
        x - half[0] - edge, y - half[1] - edge, x + half[0] + edge, y + half[1] + edge,
        FRAME, mix(FRAME, "black", 0.5), 1.2,
    )  # fmt: skip
    shine, bead = (half[0] + edge * 0.6, half[1] + edge * 0.6), edge * 0.22
    canvas.rectangle(
        x - shine[0], y - shine[1], x + shine[0], y + shine[1], None, mix(FRAME, "white", 0.1), edge * 0.15
    )
    canvas.rectangle(
        x - half[0] - bead,
        y - half[1] - bead,
        x + half[0] + bead,
        y + half[1] + bead,
        mix(FRAME, "black", 0.75),
    )
    canvas.paste(picture, round(x - picture.width / 2), round(y - picture.height / 2))
    if framed.sticker is not None:
        at, tone = y + half[1] + edge + STICKER_DROP, STICKERS[framed.sticker]
        canvas.circle(x + 1.5, at + 2, STICKER_RADIUS, "black", alpha=0.25)
        canvas.circle(x, at, STICKER_RADIUS, tone)
