"""The images of a run: one file each, named by the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from agents.store.errors import StoreError
from deepeyes_env.images import EncodedImage

KEPT_IMAGES = 64
"""Images that a reader keeps in memory: the samples of a group share theirs."""


class ImageReader:
    """Reads images by hash and keeps the last `KEPT_IMAGES`. Safe to use from many threads."""

    def __init__(self, directory: Path) -> None:
        """Read from `directory`, which is touched when the first image is asked for."""
        self._directory = directory
        self._kept = lru_cache(maxsize=KEPT_IMAGES)(self._read)

    def __call__(self, sha256: str, width: int, height: int) -> EncodedImage:
        """The image of this name and size.

        Raises:
            StoreError: It is missing, or is not what its name says.
        """
        return self._kept(sha256, width, height)

    def _read(self, sha256: str, width: int, height: int) -> EncodedImage:
        path = self._directory / sha256
        if not _is_image(path, self._directory):
            raise StoreError(f"the image {path} is missing")
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(f"the image {path} is damaged: its bytes do not have the hash that names it")
        return EncodedImage(data, width, height, sha256).shared()


def unread(sha256: str, width: int, height: int) -> EncodedImage:
    """An image without its bytes, for readers that need no pictures."""
    return EncodedImage(b"", width, height, sha256)


def remove_damaged(directory: Path, names: Iterable[str]) -> None:
    """Remove the images whose bytes do not have the hash that names them, so that they are written anew.

    Args:
        directory: Where they are.
        names: The hashes; whatever is no file there is left alone.
    """
    for name in names:
        path = directory / name
        if _is_image(path, directory) and hashlib.sha256(path.read_bytes()).hexdigest() != name:
            path.unlink()


def write_image(directory: Path, image: EncodedImage) -> Path | None:
    """Write an image under its hash, unless it is there.

    Args:
        directory: Where to.
        image: What to write.

    Returns:
        The new file, or None if nothing was written.

    Raises:
        OSError: The disk is full or broken; no part of the image stays.
    """
    target = directory / image.sha256
    # A power failure can leave a file without its contents.
    if target.exists() and target.stat().st_size == len(image.data):
        return None
    handle, name = tempfile.mkstemp(prefix=".", dir=directory)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(image.data)
        os.chmod(name, 0o644)  # temporary files are private
        os.replace(name, target)
    except OSError:
        os.unlink(name)
        raise
    return target


def _is_image(path: Path, directory: Path) -> bool:
    """Names come from records, and must not lead out of the directory."""
    return path.parent == directory and path.is_file()
