"""Programs that oracles run in the sandbox: they find things by colour, in the pixels that the policy sees.

Only numpy and the standard library are used, so that they run in any sandbox.
"""

from __future__ import annotations

from deepeyes_env.tasks.worlds.drawing.canvas import Colour, rgb

MASK_OF = '''
import numpy as np

def mask_of(image, colour, tolerance=0.03, brightest=1.2):
    """Where `image` has the hue of `colour`, in light or in shade."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    total = pixels.sum(-1)
    share = pixels / np.maximum(total, 1)[..., None]
    level = total / sum(colour)
    wanted = np.array(colour, dtype=np.float32) / sum(colour)
    return (np.abs(share - wanted).max(-1) < tolerance) & (level > 0.7) & (level < brightest)
'''
"""Defines `mask_of(image, colour)`."""

BLOBS_OF = '''
def blobs_of(mask, least=40):
    """Connected pieces of a mask with at least `least` pixels, as (n, 2) arrays of (row, column)."""
    left = {(int(r), int(c)) for r, c in np.argwhere(mask)}
    blobs = []
    while left:
        stack, blob = [left.pop()], []
        while stack:
            r, c = stack.pop()
            blob.append((r, c))
            for near in [(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]:
                if near in left:
                    left.remove(near)
                    stack.append(near)
        if len(blob) >= least:
            blobs.append(np.array(blob))
    return blobs
'''
"""Defines `blobs_of(mask)`; needs `MASK_OF` before it."""


PART_OF = '''
def part_of(image, box):
    """The part of `image` in a box of shares of its sides: left, top, right, bottom."""
    sides = (image.width, image.height, image.width, image.height)
    return image.crop(tuple(round(share * side) for share, side in zip(box, sides)))
'''
"""Defines `part_of(image, box)`."""


def channels(colour: Colour) -> str:
    """A colour as Python source."""
    return repr(rgb(colour))


def show_crop(box: str, zoom: int = 6) -> str:
    """Source that shows the part `box` (left, top, right, bottom in pixels) of `image_1`, enlarged.

    Args:
        box: Source of a tuple.
        zoom: Enlargement.
    """
    return (
        f"part = image_1.crop(tuple(int(v) for v in {box}))\n"
        f"part.resize((max(1, part.width * {zoom}), max(1, part.height * {zoom}))).show()"
    )
