"""Images beside a file that names them, one file each (`images/<sha256>.<extension>`), or as addresses."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from deepeyes_env.images import FORMATS, EncodedImage

FOLDER = "images"


class ImageFolder:
    """Writes each image once."""

    def __init__(self, directory: Path) -> None:
        """Write into `images` inside `directory`."""
        self._directory = directory
        self._names: dict[str, str] = {}
        (directory / FOLDER).mkdir(exist_ok=True)

    def add(self, image: EncodedImage) -> str:
        """Write the image unless it is there; gives its path relative to the directory."""
        if image.sha256 not in self._names:
            name = f"{FOLDER}/{image.sha256}.{container(image).lower()}"
            (self._directory / name).write_bytes(image.data)
            self._names[image.sha256] = name
        return self._names[image.sha256]


def read_inside(root: Path, name: str) -> bytes:
    """Read an image that a foreign file names.

    Args:
        root: Resolved folder of the images.
        name: The path, relative to it.

    Raises:
        ValueError: The path leaves the folder, or is none.
        OSError: The file cannot be read.
    """
    place = (root / name).resolve()
    if not place.is_relative_to(root):
        raise ValueError(
            f"it lies outside {str(root)!r}; set --image-root to the folder that holds the images"
        )
    return place.read_bytes()


def container(image: EncodedImage) -> str:
    """The image's format by Pillow's name: `PNG`, `JPEG`, ..."""
    with Image.open(io.BytesIO(image.data), formats=FORMATS) as opened:
        return str(opened.format)


def data_url(image: EncodedImage) -> str:
    """The image itself as an address."""
    return f"data:{Image.MIME[container(image)]};base64,{base64.b64encode(image.data).decode()}"
