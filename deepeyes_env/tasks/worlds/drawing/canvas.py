"""An anti-aliased canvas with real fonts: matplotlib's Agg renderer and its bundled DejaVu files.

Agg draws a path in tens of microseconds at full resolution, so no supersampling is needed. Coordinates are
pixels with the origin at the top left, as in PIL.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.ft2font import FT2Font
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, IdentityTransform, TransformedPath
from PIL import Image, ImageColor

Colour = str | tuple[int, int, int]
"""A CSS colour name, `#rrggbb`, or 0-255 channels."""

Point = tuple[float, float]

Fills = Colour | list[Colour]
"""One colour for all shapes, or a list of one for each."""

FONTS = {
    "sans": "DejaVuSans.ttf",
    "bold": "DejaVuSans-Bold.ttf",
    "serif": "DejaVuSerif.ttf",
    "serif-bold": "DejaVuSerif-Bold.ttf",
    "serif-italic": "DejaVuSerif-Italic.ttf",
    "mono": "DejaVuSansMono.ttf",
}
"""Font files that every matplotlib installation carries."""

FONT_UNIT = 64
"""Size at which glyph outlines are read, in pixels per em; they scale freely afterwards."""


@lru_cache(maxsize=4096)
def rgb(colour: Colour) -> tuple[int, int, int]:
    """Channels of a colour, 0-255."""
    if isinstance(colour, str):
        red, green, blue = ImageColor.getrgb(colour)[:3]
        return red, green, blue
    return colour


@lru_cache(maxsize=4096)
def mix(a: Colour, b: Colour, share: float) -> tuple[int, int, int]:
    """`share` of `b` in `a`."""
    (r0, g0, b0), (r1, g1, b1) = rgb(a), rgb(b)
    return round(r0 + (r1 - r0) * share), round(g0 + (g1 - g0) * share), round(b0 + (b1 - b0) * share)


def gradient(height: int, top: Colour, bottom: Colour) -> npt.NDArray[np.uint8]:
    """The colours of the rows of a vertical gradient, uint8 `[height, 3]`."""
    share = np.linspace(0.0, 1.0, height)[:, None]
    rows = np.array(rgb(top)) * (1 - share) + np.array(rgb(bottom)) * share
    return rows.round().astype(np.uint8)


class Canvas:
    """A picture in the making."""

    def __init__(self, width: int, height: int, background: Colour | npt.NDArray[np.uint8] = "white") -> None:
        """Start from a flat colour or from the colours of the rows, uint8 `[height, 3]`."""
        self.width, self.height = width, height
        self._renderer = RendererAgg(width, height, 72)  # 72 dpi: one point is one pixel
        rows = background if isinstance(background, np.ndarray) else np.array([rgb(background)], np.uint8)
        opaque = np.concatenate([rows, np.full((len(rows), 1), 255, np.uint8)], axis=1)
        # Whole RGBA pixels are copied as 32-bit words, ten times as fast as channel by channel.
        self.words[...] = np.ascontiguousarray(opaque).view(np.uint32)
        self._flip = Affine2D().scale(1, -1).translate(0, height)
        self._clips: list[Path] = []

    def paste(self, picture: Image.Image, left: int, top: int) -> None:
        """Cover a part of the canvas with an RGB picture that lies inside it."""
        pixels = np.asarray(self._renderer.buffer_rgba())
        pixels[top : top + picture.height, left : left + picture.width, :3] = np.asarray(picture)

    def path(
        self,
        path: Path,
        fill: Colour | None,
        outline: Colour | None = None,
        width: float = 0.0,
        alpha: float = 1.0,
    ) -> None:
        """Fill and outline a path given in canvas coordinates."""
        context = _pen(
            outline if outline is not None else "black", width if outline is not None else 0.0, alpha
        )
        face = None if fill is None else (*_unit(fill)[:3], alpha)
        self._renderer.draw_path(context, path, self._flip, face)

    def clipped(self, clip: Path, path: Path, fill: Colour) -> None:
        """Fill the part of `path` that lies inside `clip`."""
        context = GraphicsContextBase()
        context.set_antialiased(True)
        context.set_snap(False)
        context.set_linewidth(0.0)
        # Agg remembers its last clip mask by the id of the path: a freed path's id would bring back its mask.
        self._clips.append(clip)
        context.set_clip_path(TransformedPath(clip, self._flip))
        self._renderer.draw_path(context, path, self._flip, _unit(fill)[:3])

    def polygon(
        self,
        points: Sequence[Point],
        fill: Colour | None,
        outline: Colour | None = None,
        width: float = 0.0,
        alpha: float = 1.0,
    ) -> None:
        """A closed polygon."""
        self.path(closed(points), fill, outline, width, alpha)

    def rectangle(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        fill: Colour | None,
        outline: Colour | None = None,
        width: float = 0.0,
        alpha: float = 1.0,
    ) -> None:
        """An axis-aligned rectangle."""
        self.polygon(box(left, top, right, bottom), fill, outline, width, alpha)

    def circle(
        self,
        x: float,
        y: float,
        radius: float,
        fill: Colour | None,
        outline: Colour | None = None,
        width: float = 0.0,
        alpha: float = 1.0,
    ) -> None:
        """A disc or a ring."""
        self.path(Path.circle((x, y), radius), fill, outline, width, alpha)

    def ellipse(
        self, x: float, y: float, wide: float, high: float, fill: Colour | None, alpha: float = 1.0
    ) -> None:
        """A level ellipse; `wide` and `high` are its radii."""
        place = Affine2D().scale(wide, high).translate(x, y)
        self.path(place.transform_path(Path.unit_circle()), fill, alpha=alpha)

    def rectangles(
        self, boxes: Sequence[tuple[float, float, float, float]], fills: Fills, alpha: float = 1.0
    ) -> None:
        """Many axis-aligned rectangles (left, top, right, bottom) in one pass, later ones over earlier ones.

        Six times as fast as one by one; so are `circles`, twice so `polygons`.
        """
        left, top, right, bottom = np.array(boxes, dtype=float).reshape(-1, 4).T
        self._stamp(Path.unit_rectangle(), left, bottom, right - left, bottom - top, fills, alpha)

    def circles(
        self, circles: Sequence[tuple[float, float, float]], fills: Fills, alpha: float = 1.0
    ) -> None:
        """Many discs (x, y, radius) in one pass, later ones over earlier ones."""
        x, y, radius = np.array(circles, dtype=float).reshape(-1, 3).T
        self._stamp(Path.unit_circle(), x, y, radius, radius, fills, alpha)

    def polygons(
        self,
        outlines: Sequence[Sequence[Point] | npt.NDArray[np.float64]],
        fills: Fills,
        edge: Fills | None = None,
        width: float | list[float] = 0.0,
        alpha: float = 1.0,
    ) -> None:
        """Many closed polygons in one pass, later ones over earlier ones; `edge` and `width` as `fills`."""
        is_closed = edge is not None  # a bare filling is as good without the codes, and made faster
        rings = (np.asarray(each, dtype=float) for each in outlines)
        paths = [Path(np.concatenate([ring, ring[:1]]), closed=is_closed) for ring in rings]
        self._collect(paths, self._flip, np.zeros((0, 3, 3)), np.zeros((0, 2)), fills, edge, width, alpha)

    def shadows(
        self,
        outlines: Sequence[Sequence[Point] | npt.NDArray[np.float64]],
        dx: float,
        dy: float,
        alpha: float,
    ) -> None:
        """The parts that show of the shadows of things which will cover `outlines`, in one pass.

        What lies below the things is left out: a large translucent area costs more than all else in a
        picture.

        Args:
            outlines: Polygons each of which is seen whole from its middle, as a convex one is.
            dx: How far the shadows lie to the right in pixels.
            dy: How far below.
            alpha: Their opacity.
        """
        rings, codes = [], []
        for outline in outlines:
            points = np.asarray(outline, dtype=float)
            middle = points.mean(axis=0)
            # Less than the thing, so that no seam shows at its edge.
            hole = middle + (points[::-1] - middle) * 0.96
            moved = points + np.array((dx, dy))
            rings += [moved, moved[:1], hole, hole[:1]]
            kinds = np.full(2 * len(points) + 2, Path.LINETO, dtype=np.uint8)
            kinds[[0, len(points) + 1]] = Path.MOVETO
            codes.append(kinds)
        self.path(Path(np.concatenate(rings), np.concatenate(codes)), "black", alpha=alpha)

    def _stamp(
        self,
        form: Path,
        x: npt.NDArray[np.float64],
        y: npt.NDArray[np.float64],
        wide: npt.NDArray[np.float64],
        high: npt.NDArray[np.float64],
        fills: Fills,
        alpha: float,
    ) -> None:
        """Fill copies of `form`, stretched and moved."""
        stretch = np.zeros((len(x), 3, 3))
        stretch[:, 0, 0], stretch[:, 1, 1], stretch[:, 2, 2] = wide, high, 1.0
        places = np.stack([x, self.height - y], axis=1)
        self._collect([form], IdentityTransform(), stretch, places, fills, None, 0.0, alpha)

    def _collect(
        self,
        paths: list[Path],
        place: Affine2D | IdentityTransform,
        transforms: npt.NDArray[np.float64],
        offsets: npt.NDArray[np.float64],
        fills: Fills,
        edge: Fills | None,
        width: float | list[float],
        alpha: float,
    ) -> None:
        edges = np.zeros((0, 4)) if edge is None else _colours(edge, alpha)
        # The stubs ask for lists of tuples where Agg takes arrays.
        draw: Any = self._renderer.draw_path_collection
        once = [(0, None)], np.ones(1, np.uint8), [None], "screen"  # no dashes, smooth, no addresses
        draw(
            _pen("black", 0.0, 1.0, "miter"),  # thin edges look alike with any joints, these are the fastest
            place,
            paths,
            transforms,
            offsets,
            IdentityTransform(),
            _colours(fills, alpha),
            edges,
            np.atleast_1d(np.array(width, dtype=float)),
            *once,
        )

    def line(self, points: Sequence[Point], colour: Colour, width: float, alpha: float = 1.0) -> None:
        """An open polyline with round joints."""
        self.path(Path(np.asarray(points, dtype=float)), None, colour, width, alpha)

    def lines(
        self, strokes: Sequence[Sequence[Point]] | npt.NDArray[np.float64], colour: Colour, width: float
    ) -> None:
        """Many open polylines in one pass, for hatching; or as many points each, `[n, points, 2]`."""
        if isinstance(strokes, np.ndarray):
            points = strokes.reshape(-1, 2)
        else:
            points = np.array(list(itertools.chain.from_iterable(strokes)), dtype=float)
        codes = np.full(len(points), Path.LINETO, dtype=np.uint8)
        codes[np.cumsum([0, *(len(stroke) for stroke in strokes[:-1])])] = Path.MOVETO
        self.path(Path(points, codes), None, colour, width)

    def text(
        self,
        x: float,
        y: float,
        string: str,
        size: float,
        colour: Colour = "black",
        font: str = "sans",
        angle: float = 0.0,
        align: str = "centre",
    ) -> None:
        """One line of text.

        Args:
            x: Its centre, or its left or right end, by `align`.
            y: Middle of its capitals.
            string: The text.
            size: Pixels per em.
            colour: Fill.
            font: A key of `FONTS`.
            angle: Clockwise degrees about `(x, y)`.
            align: `left`, `centre` or `right`.
        """
        self.path(text_path(x, y, string, size, font, angle, align), colour)

    @property
    def words(self) -> npt.NDArray[np.uint32]:
        """The pixels packed in words, uint32 `[height, width]`; not a copy."""
        return np.asarray(self._renderer.buffer_rgba()).view(np.uint32)[..., 0]

    def padded(self) -> Image.Image:
        """The picture as RGBX, RGB with a byte of padding; not a copy."""
        size = (self.width, self.height)
        return Image.frombuffer("RGBX", size, self._renderer.buffer_rgba(), "raw", "RGBX", 0, 1)

    def finish(self) -> Image.Image:
        """The picture as RGB."""
        size = (self.width, self.height)
        return Image.frombuffer("RGBA", size, self._renderer.buffer_rgba(), "raw", "RGBA", 0, 1).convert(
            "RGB"
        )


CAPITAL_HEIGHT = 0.729
"""Height of DejaVu's capitals and digits in ems (its OS/2 table: 1493 of 2048 units)."""


def text_path(
    x: float,
    y: float,
    string: str,
    size: float,
    font: str = "sans",
    angle: float = 0.0,
    align: str = "centre",
) -> Path:
    """Outline of a line of text in pixels; arguments as `Canvas.text`."""
    outline, advance = text_outline(string, font)
    shift = {"left": 0.0, "centre": advance / 2, "right": advance}[align]
    place = (
        Affine2D().translate(-shift, -CAPITAL_HEIGHT / 2).scale(size, -size).rotate_deg(angle).translate(x, y)
    )
    return place.transform_path(outline)


def text_width(string: str, size: float, font: str = "sans") -> float:
    """Advance width of a line in pixels."""
    return text_outline(string, font)[1] * size


@lru_cache(maxsize=4096)
def text_outline(string: str, font: str) -> tuple[Path, float]:
    """Outline of a line of text and its advance width, both in ems, y upwards from the baseline."""
    pen, vertices, codes = 0.0, [], []
    for letter in string:
        points, kinds, advance = _glyph(letter, font)
        if len(points):
            vertices.append(points + np.array([pen, 0.0]))
            codes.append(kinds)
        pen += advance
    if not vertices:
        return Path(np.zeros((1, 2))), pen
    return Path(np.concatenate(vertices), np.concatenate(codes)), pen


@lru_cache(maxsize=1024)
def _glyph(letter: str, font: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8], float]:
    # A face of its own for each glyph: a face holds one glyph at a time, so threads must not share it.
    face = FT2Font(str(FilePath(mpl.get_data_path(), "fonts", "ttf", FONTS[font])))
    face.set_size(FONT_UNIT, 72)
    glyph = face.load_char(ord(letter))
    points, kinds = face.get_path()
    return np.asarray(points) / FONT_UNIT, np.asarray(kinds), glyph.linearHoriAdvance / 65536 / FONT_UNIT


def box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """Corners of an axis-aligned rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def closed(points: Sequence[Point]) -> Path:
    """A closed straight-edged path."""
    return Path(np.asarray([*points, points[0]], dtype=float), closed=True)


def regular(x: float, y: float, radius: float, corners: int, angle: float = 0.0) -> list[Point]:
    """Corners of a regular polygon; at 0 degrees one corner points up."""
    start = math.radians(angle) - math.pi / 2
    turns = [start + 2 * math.pi * i / corners for i in range(corners)]
    return [(x + radius * math.cos(t), y + radius * math.sin(t)) for t in turns]


def star(x: float, y: float, radius: float, inner: float, rays: int = 5, angle: float = 0.0) -> list[Point]:
    """Corners of a star; `inner` is the inner radius as a share of `radius`."""
    outer = regular(x, y, radius, rays, angle)
    notch = regular(x, y, radius * inner, rays, angle + 180 / rays)
    return [point for pair in zip(outer, notch, strict=True) for point in pair]


@lru_cache(maxsize=1024)
def _pen(
    colour: Colour, width: float, alpha: float, joints: Literal["round", "miter"] = "round"
) -> GraphicsContextBase:
    context = GraphicsContextBase()
    context.set_antialiased(True)
    context.set_snap(False)
    context.set_joinstyle(joints)
    context.set_capstyle("round")
    context.set_alpha(alpha)
    context.set_linewidth(width)
    context.set_foreground(_unit(colour), isRGBA=True)
    return context


def _colours(fills: Fills, alpha: float) -> npt.NDArray[np.float64]:
    """Colours as Agg takes them, `[n, 4]`."""
    each = fills if isinstance(fills, list) else [fills]
    channels = np.array([rgb(colour) for colour in each], dtype=float) / 255
    return np.concatenate([channels, np.full((len(channels), 1), alpha)], axis=1)


def _unit(colour: Colour) -> tuple[float, float, float, float]:
    red, green, blue = rgb(colour)
    return red / 255, green / 255, blue / 255, 1.0
