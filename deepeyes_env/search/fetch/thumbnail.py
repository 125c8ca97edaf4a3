"""A stranger's picture, made small and harmless: decoded under limits and encoded anew."""

from __future__ import annotations

import hashlib
import io

from deepeyes_env.images import PATCH_FACTOR, EncodedImage, ImageError, decode_rgb, smart_resize
from deepeyes_env.search.fetch.error import FetchError, FetchFault

THUMBNAIL_SIDE = 16 * PATCH_FACTOR
"""Longest side in pixels: 448, at most 256 visual tokens a picture, so that ten hits stay below 2,600."""

JPEG_QUALITY = 90
"""Without visible artefacts; a tenth of a PNG of a photograph."""


def thumbnail(data: bytes, max_pixels: int) -> EncodedImage:
    """Make a JPEG of at most `THUMBNAIL_SIDE` pixels a side; nothing of the file survives but its pixels.

    Args:
        data: The file.
        max_pixels: Area above which it is refused by its header, before a pixel is decoded.

    Raises:
        FetchError: `BAD_IMAGE`.
    """
    try:
        image = decode_rgb(data, max_pixels)
        image.info = {}  # else comments are written into the new file
        image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        smart_resize(image.height, image.width)
    except ImageError as error:
        raise FetchError(FetchFault.BAD_IMAGE, str(error)) from error
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    small = buffer.getvalue()
    return EncodedImage(small, image.width, image.height, hashlib.sha256(small).hexdigest())
