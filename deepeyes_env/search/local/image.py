"""Image search: perceptual hashes compared exactly, and colours, to which the hash is blind.

A 256-bit DCT hash finds re-encoded, resized and re-lit pictures at least 98 times in 100, but not crops
(`search-and-benchmarks` B.2).
"""

from __future__ import annotations

from collections.abc import Sequence

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image

HASH_SIDE = 16
"""Side of the hash in bits (16 x 16 = 256; `search-and-benchmarks` B.2)."""

COLOUR_SIDE = 8
"""The colour signature is the picture shrunk to this many pixels a side, in standard scores, so that the
light in which a photograph was taken does not count."""

MAX_HASH_DISTANCE = 0.4
"""Share of differing bits above which a picture is not similar; unrelated ones differ in about half."""


class ImageIndex:
    """An immutable index over pictures; exact search by brute force. Safe to use from many threads."""

    def __init__(self, pictures: Sequence[Image.Image]) -> None:
        """Index RGB `pictures`; about a millisecond each."""
        signatures = [signature(picture) for picture in pictures]
        self._hashes = np.array([bits for bits, _ in signatures], dtype=np.uint8)
        self._colours = np.array([colours for _, colours in signatures], dtype=np.float32)

    def search(self, image: Image.Image, k: int) -> list[int]:
        """Places of the most similar pictures.

        Args:
            image: RGB, any size.
            k: Most hits wanted.

        Returns:
            Places in the sequence indexed, most similar first, ties by place.
        """
        if not len(self._hashes):
            return []
        bits, colours = signature(image)
        hash_distance = np.bitwise_count(self._hashes ^ bits).sum(axis=1) / HASH_SIDE**2
        colour_distance = np.abs(self._colours - colours).mean(axis=1)
        order = np.argsort(hash_distance + colour_distance, kind="stable")
        return [int(place) for place in order if hash_distance[place] <= MAX_HASH_DISTANCE][:k]


def signature(image: Image.Image) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Packed hash bits, uint8 `[32]`, and coarse colours, float32 `[192]`."""
    bits = np.packbits(imagehash.phash(image, hash_size=HASH_SIDE).hash)
    coarse = image.convert("RGB").resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.BOX)
    colours = np.asarray(coarse, dtype=np.float32)
    centred = colours - colours.mean(axis=(0, 1))
    return bits, (centred / max(float(colours.std()), 1.0)).ravel()
