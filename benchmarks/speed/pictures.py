"""Pictures for benchmarks."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

from deepeyes_env.images import freeze


@cache
def picture(side: int, seed: int) -> Image.Image:
    """A smooth random picture, as compressible as a photograph is; frozen, as those of the sandbox are.

    Args:
        side: Width and height in pixels.
        seed: Draws its colours.
    """
    small = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return freeze(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))
