"""Tiles: overlapping windows of a picture and the spatial frequencies that describe them.

A picture is shrunk to 64 x 64 pixels and covered with windows of several sizes and shapes. A window is
described by its lowest frequencies (a cosine transform along each axis); their signs are its perceptual hash.
The transform is linear and separable, so all windows of a picture come out of two matrix products: under half
a millisecond a picture, where a hash per window takes about 30 (`search-and-benchmarks` B.2).
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]

SIDE = 64
"""Pixels a side at which pictures are compared; the smallest window's are then 27, for 12 half waves."""

LATTICE = 48
"""Edges of windows lie on multiples of 1/48 of the picture's sides."""

HASH_WAVES = 8
"""Frequencies per axis of a hash: the mean and 63 others, as of the usual 64-bit pHash."""

STEPS = {48: 48, 44: 2, 40: 4, 34: 7, 28: 5, 24: 4, 20: 4}
"""Length of a window along one axis -> the step from one to the next, in 1/48. From the whole picture to 17 %
of its area; a window is at most a tenth of its length away from any part of its size, which the hash
bears."""

MOST_OBLONG = 1.45
"""Longer over shorter length of a window, as shares of the picture's sides. More shapes would find more
oblong crops and cost an index in proportion."""

SIGN_LEVEL = 0.02
"""Grey levels above which a frequency counts as positive. Not 0: what is 0 but for rounding, as in plain
areas, must give the same bit everywhere."""

FLAT = 2.0
"""Grey levels of contrast (root mean square) below which nothing in a window could be recognised."""

Span = tuple[int, int]
"""Start and end along one axis, in 1/48 of the picture's side."""

WHOLE: Span = (0, LATTICE)
"""All of an axis."""


def _spans() -> list[Span]:
    starts = {length: range(0, LATTICE - length + 1, step) for length, step in STEPS.items()}
    return [(start, start + length) for length in STEPS for start in starts[length]]


def _windows(spans: list[Span]) -> list[tuple[int, int]]:
    lengths = [end - start for start, end in spans]
    places = range(len(spans))
    return [(r, c) for r in places for c in places if _is_shapely(lengths[r], lengths[c])]


def _is_shapely(height: int, width: int) -> bool:
    return max(height, width) <= MOST_OBLONG * min(height, width)


_SPANS = _spans()
_WINDOWS = np.array(_windows(_SPANS))

WINDOWS: tuple[tuple[Span, Span], ...] = tuple((_SPANS[r], _SPANS[c]) for r, c in _WINDOWS.tolist())
"""The windows of a picture, each as its spans along height and width; the first is the whole picture."""


def planes(image: Image.Image) -> npt.NDArray[np.uint8]:
    """A picture at the size at which it is compared.

    Args:
        image: Any mode, any size that is not empty.

    Returns:
        Luminance and two colour differences, `[3, SIDE, SIDE]`.
    """
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.ascontiguousarray(np.asarray(small.convert("YCbCr")).transpose(2, 0, 1))


def spectra(pixels: Floats, rows: Floats, columns: Floats) -> Floats:
    """The lowest frequencies of every window that the given spans make.

    Args:
        pixels: `[..., SIDE, SIDE]`.
        rows: Spans along the height (`cosines`), `[r, waves, SIDE]`.
        columns: Spans along the width, `[c, waves, SIDE]`.

    Returns:
        `[..., r, c, waves, waves]`; the first of a window's frequencies is its mean, and the root of the sum
        of the squares of all others its contrast, in grey levels.
    """
    (r, waves, _), (c, _, _) = rows.shape, columns.shape
    product = np.matmul(rows.reshape(-1, SIDE) @ pixels, columns.reshape(-1, SIDE).T, dtype=np.float32)
    return product.reshape(*pixels.shape[:-2], r, waves, c, waves).swapaxes(-3, -2)


def cosines(spans: tuple[Span, ...], waves: int) -> Floats:
    """The lowest cosines over spans, each integrated over every pixel, orthonormal: `[n, waves, SIDE]`."""
    return np.stack([_cosines(span, waves) for span in spans])


def tile_hashes(luminance: Floats) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    """Hashes of all windows.

    Args:
        luminance: `[SIDE, SIDE]`.

    Returns:
        The hashes, and which windows are not flat; both `[len(WINDOWS)]`.
    """
    basis = _window_cosines()
    return hashes(spectra(luminance, basis, basis)[_WINDOWS[:, 0], _WINDOWS[:, 1]])


def hashes(frequencies: Floats) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    """Signs of frequencies as bits.

    Args:
        frequencies: `[n, HASH_WAVES, HASH_WAVES]`.

    Returns:
        The hashes, and which windows are not flat; both `[n]`.
    """
    shape = frequencies.reshape(len(frequencies), -1)[:, 1:]
    bits = np.pad(shape > SIGN_LEVEL, ((0, 0), (1, 0)))
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0], np.square(shape).sum(axis=1) >= FLAT**2


@functools.cache
def _window_cosines() -> Floats:
    return cosines(tuple(_SPANS), HASH_WAVES)


@functools.cache
def _cosines(span: Span, waves: int) -> Floats:
    start, length = span[0] / LATTICE, (span[1] - span[0]) / LATTICE
    edges = np.clip((np.arange(SIDE + 1) / SIDE - start) / length, 0.0, 1.0)
    angular = np.arange(1, waves)[:, None] * math.pi
    integrals = math.sqrt(2) * np.diff(np.sin(angular * edges), axis=1) / angular
    return np.concatenate([np.diff(edges)[None], integrals]).astype(np.float32)
