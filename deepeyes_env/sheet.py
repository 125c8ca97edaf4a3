"""Just enough page layout to paint an episode: text, code, pictures and panels that flow down columns.

Drawing is recorded first and painted when the height is known, at twice the size, so that edges come out
smooth.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SCALE = 2
"""Everything is painted at this multiple and then reduced."""

Paint = Callable[[Image.Image, ImageDraw.ImageDraw], None]
Run = tuple[str, str]
"""A piece of text and its colour."""


@functools.cache
def font(size: int, style: str = "Sans") -> ImageFont.FreeTypeFont:
    """One of the DejaVu fonts that matplotlib carries, at the painting scale."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"DejaVu{style}.ttf"
    return ImageFont.truetype(str(path), size * SCALE)


class Sheet:
    """Records drawing; `paint` makes the picture."""

    def __init__(self, width: int, background: str) -> None:
        self.width = width
        self.height = 0
        self._background = background
        self._paints: list[Paint] = []

    def add(self, paint: Paint, bottom: int, position: int | None = None) -> None:
        """Record one drawing step.

        Args:
            paint: Draws on the scaled canvas.
            bottom: Where it ends, in pixels.
            position: Index among the steps; default: last.
        """
        self._paints.insert(len(self._paints) if position is None else position, paint)
        self.height = max(self.height, bottom)

    @property
    def steps(self) -> int:
        """Number of recorded steps."""
        return len(self._paints)

    def paint(self, margin: int) -> Image.Image:
        """The picture, with a margin below the lowest step."""
        size = (self.width * SCALE, (self.height + margin) * SCALE)
        canvas = Image.new("RGB", size, self._background)
        draw = ImageDraw.Draw(canvas)
        for step in self._paints:
            step(canvas, draw)
        return canvas.reduce(SCALE)


class Column:
    """A place on a sheet that is filled from top to bottom."""

    def __init__(self, sheet: Sheet, left: int, top: int, width: int) -> None:
        self.sheet = sheet
        self.left = left
        self.width = width
        self.y = top

    def gap(self, pixels: int) -> None:
        """Leave room."""
        self.y += pixels

    def text(self, text: str, size: int, colour: str, style: str = "Sans", lines: int = 12) -> None:
        """Wrapped text, cut after `lines`."""
        wrapped = wrap(text, font(size, style), self.width * SCALE)
        rows: list[list[Run]] = [[(line, colour)] for line in wrapped]
        self.rows(_shorten(rows, lines, colour), size, style)

    def rows(self, rows: Sequence[Sequence[Run]], size: int, style: str) -> None:
        """Lines of coloured runs, as they are."""
        leading = round(size * 1.45)
        for row in rows:
            self._row(list(row), size, style)
            self.y += leading
        self.sheet.add(lambda canvas, draw: None, self.y)

    def pictures(self, images: Sequence[Image.Image], most: int, radius: int = 6) -> None:
        """Pictures side by side, each at most `most` pixels wide and high."""
        x, bottom = self.left, self.y
        for image in images:
            side = min(most, self.width)
            scale = min(side / image.width, side / image.height, max(1.0, side / 2 / max(image.size)))
            width, height = max(1, round(image.width * scale)), max(1, round(image.height * scale))
            if x > self.left and x + width > self.left + self.width:
                x, self.y = self.left, bottom + 8
            self.sheet.add(_picture(image, x, self.y, width, height, radius), self.y + height)
            bottom = max(bottom, self.y + height)
            x += width + 8
        self.y = bottom

    @contextmanager
    def panel(
        self, fill: str, pad: int = 12, edge: str | None = None, bar: str | None = None
    ) -> Iterator[Column]:
        """A rounded panel around what is drawn inside the `with` block.

        Args:
            fill: Its colour.
            pad: Room between its edge and its content.
            edge: Colour of its outline.
            bar: Colour of a bar at its left side.
        """
        position, top = self.sheet.steps, self.y
        inside = Column(self.sheet, self.left + pad, top + pad, self.width - 2 * pad)
        yield inside
        self.y = inside.y + pad
        box = tuple(v * SCALE for v in (self.left, top, self.left + self.width, self.y))

        def paint(canvas: Image.Image, draw: ImageDraw.ImageDraw) -> None:
            draw.rounded_rectangle(box, 8 * SCALE, fill=fill, outline=edge, width=SCALE)
            if bar:
                stripe = (box[0], box[1] + 8 * SCALE, box[0] + 3 * SCALE, box[3] - 8 * SCALE)
                draw.rounded_rectangle(stripe, 2 * SCALE, fill=bar)

        self.sheet.add(paint, self.y, position)

    def badge(self, text: str, fill: str, size: int = 12) -> None:
        """A short white text on a coloured pill, at the column's right edge of the current line."""
        face = font(size, "Sans-Bold")
        width = round(face.getlength(text) / SCALE) + 20
        left, top = self.left + self.width - width, self.y
        box = tuple(v * SCALE for v in (left, top, left + width, top + size + 12))

        def paint(canvas: Image.Image, draw: ImageDraw.ImageDraw) -> None:
            draw.rounded_rectangle(box, (size + 12) * SCALE // 2, fill=fill)
            middle = ((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)
            draw.text(middle, text, font=face, fill="white", anchor="mm")

        self.sheet.add(paint, top + size + 12)

    def _row(self, runs: list[Run], size: int, style: str) -> None:
        x, y = self.left * SCALE, self.y * SCALE
        face = font(size, style)

        def paint(canvas: Image.Image, draw: ImageDraw.ImageDraw) -> None:
            position = float(x)
            for text, colour in runs:
                draw.text((position, y), text, font=face, fill=colour)
                position += face.getlength(text)

        self.sheet.add(paint, self.y + size)


def wrap(text: str, face: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Break text into lines no wider than `width`, at spaces where there are any."""
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        line = ""
        for word in paragraph.split(" "):
            candidate = f"{line} {word}" if line else word
            if face.getlength(candidate) <= width:
                line = candidate
                continue
            if line:
                lines.append(line)
            while face.getlength(word) > width and len(word) > 1:
                fit = _fitting(word, face, width)
                lines.append(word[:fit])
                word = word[fit:]
            line = word
        lines.append(line)
    return lines


def _fitting(word: str, face: ImageFont.FreeTypeFont, width: float) -> int:
    fit = max(1, int(width / max(1.0, face.getlength(word) / len(word))))
    while fit > 1 and face.getlength(word[:fit]) > width:
        fit -= 1
    return fit


def _shorten(rows: list[list[Run]], lines: int, colour: str) -> list[list[Run]]:
    if len(rows) <= lines:
        return rows
    return [*rows[: lines - 1], [(f"… {len(rows) - lines + 1} more lines", colour)]]


def _picture(image: Image.Image, left: int, top: int, width: int, height: int, radius: int) -> Paint:
    size = (width * SCALE, height * SCALE)

    def paint(canvas: Image.Image, draw: ImageDraw.ImageDraw) -> None:
        mask = Image.new("L", size, 0)
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, *size), radius * SCALE, fill=255)
        canvas.paste(
            image.convert("RGB").resize(size, Image.Resampling.LANCZOS), (left * SCALE, top * SCALE), mask
        )

    return paint
