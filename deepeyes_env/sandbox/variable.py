"""The picture that a variable of a session holds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from PIL import Image

from deepeyes_env.sandbox.base import REOPENED_TEXT, Session

_SHOW = (
    "(lambda value, own, pil, show: (lambda image: (own.print(*image.size), show(image))[1])"
    "(value if own.isinstance(value, pil.Image) else pil.fromarray(value)))"
    '({name}, __import__("builtins"), __import__("PIL.Image").Image, '
    '__import__("IPython.display").display.display)'
)
"""A cell that shows the picture in a variable and tells its size. It binds no name, and its value is None, so
that not even `_` changes. Every sandbox has `IPython.display`; only the original's own v1 server shows
nothing by it (reference 2.1). Everything is imported, because a variable of the policy may hide any name."""

_SIZE = re.compile(r"([1-9]\d{0,6}) ([1-9]\d{0,6})\n", re.ASCII)


@dataclass(frozen=True, slots=True)
class Variable:
    """What there is under a name.

    Attributes:
        image: RGB, within the sandbox's limits; None if the name holds no picture.
        size: Width and height that the picture has in the session.
        note: What the sandbox has to say besides, such as that the session is a new one.
    """

    image: Image.Image | None
    size: tuple[int, int] = (0, 0)
    note: str = ""


def read_variable(session: Session, name: str) -> Variable:
    """Fetch a picture from a session, which stays as it is.

    Args:
        session: The session.
        name: An identifier, which may name nothing.

    Raises:
        SandboxError: The sandbox failed.
    """
    cell = session.run(_SHOW.format(name=name))
    note = REOPENED_TEXT.rstrip() if cell.stderr.startswith(REOPENED_TEXT) else ""
    if not cell.ok or not cell.images:
        return Variable(None, note=note)
    told = _SIZE.match(cell.stdout)
    size = (int(told[1]), int(told[2])) if told else cell.images[0].size
    return Variable(cell.images[0], size, note)
