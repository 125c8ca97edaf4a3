"""Pictures by what they show: exact pixels, and a perceptual hash that survives scaling and compression.

The hash is the usual 64-bit one of the lowest frequencies (pHash); image search has it already, so no library
comes in for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from deepeyes_env.search.local.tiles import HASH_WAVES, WHOLE, cosines, hashes, planes, spectra


@dataclass(frozen=True, slots=True)
class Look:
    """A picture.

    Attributes:
        pixels: SHA-256 of its size and its decoded RGB pixels: equal whatever file they came in.
        shape: Its perceptual hash, below 2^64; None for a picture without contrast, which looks like all
            others of its kind.
    """

    pixels: str
    shape: int | None


def look(picture: Image.Image) -> Look:
    """Look at a decoded picture."""
    rgb = picture.convert("RGB")
    pixels = hashlib.sha256(f"{rgb.width}x{rgb.height}/".encode())
    pixels.update(rgb.tobytes())
    basis = cosines((WHOLE,), HASH_WAVES)
    frequencies = spectra(planes(rgb)[0].astype(np.float32), basis, basis)[0]
    bits, shown = hashes(frequencies)
    return Look(pixels.hexdigest(), int(bits[0]) if shown[0] else None)


class NearShapes:
    """Finds the perceptual hashes that differ from a given one in few bits; exact, by brute force.

    Args:
        shapes: The hashes to be found; None among them is never found.
        bits: How many bits may differ.
    """

    def __init__(self, shapes: Iterable[int | None], bits: int) -> None:
        numbered = [(place, shape) for place, shape in enumerate(shapes) if shape is not None]
        self._places = [place for place, _ in numbered]
        self._shapes: npt.NDArray[np.uint64] = np.array([shape for _, shape in numbered], dtype=np.uint64)
        self._bits = bits

    def near(self, shape: int | None) -> Iterator[int]:
        """Places of those that are near, in order; none for None."""
        if shape is None or not self._places:
            return
        apart = np.bitwise_count(self._shapes ^ np.uint64(shape))
        yield from (self._places[i] for i in np.flatnonzero(apart <= self._bits))


def all_near(first: Sequence[Look], second: Sequence[Look], bits: int) -> bool:
    """Whether two questions' pictures are the same one by one: the same pixels, or hashes that are near."""
    return len(first) == len(second) and all(
        a.pixels == b.pixels
        or (a.shape is not None and b.shape is not None and (a.shape ^ b.shape).bit_count() <= bits)
        for a, b in zip(first, second, strict=True)
    )
