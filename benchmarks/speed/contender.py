"""What takes part in the sandbox benchmark: anything that opens sessions and runs cells in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from deepeyes_env.sandbox.local import tree

MODULES = [module for modules in tree.CORE.values() for module in modules]
"""Every contender's sessions start with the libraries that ours start with."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a cell printed and the pictures that it displayed, decoded, RGB."""

    text: str
    images: tuple[Image.Image, ...] = ()


class Session(Protocol):
    """One stateful interpreter with the libraries imported; `display` shows a PIL image."""

    def run(self, code: str) -> Answer:
        """Run one cell."""
        ...

    def close(self) -> None:
        """End the session."""
        ...


class Contender(Protocol):
    """A way to run cells. Safe to use from many threads.

    Attributes:
        name: As the tables show it.
        burst: Sessions per round: many of what takes milliseconds, one of what takes seconds.
        cells: Cells per round.
        reads_files: Whether a cell may read the host's files.
    """

    name: str
    burst: int
    cells: int
    reads_files: bool

    def open(self, picture: Path | None = None) -> Session:
        """Open a session, with the picture of this file as `image_1` if one is given."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


def open_picture(path: Path) -> str:
    """The cell that opens a picture where the session can read the file itself."""
    return f"from PIL import Image\nimage_1 = Image.open({str(path)!r}).convert('RGB')"
