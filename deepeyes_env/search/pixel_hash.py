"""The name of a picture by what it shows."""

from __future__ import annotations

import hashlib

from PIL import Image

from deepeyes_env.images import to_rgb


def pixel_hash(image: Image.Image) -> str:
    """SHA-256 of a picture's size and RGB pixels: how it was encoded makes no difference."""
    rgb = to_rgb(image)
    digest = hashlib.sha256(f"{rgb.width}x{rgb.height}:".encode())
    digest.update(rgb.tobytes())
    return digest.hexdigest()
