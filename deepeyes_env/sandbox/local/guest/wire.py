"""The frames between host and guest: fixed binary headers, no pickle, no JSON, nothing decoded or executed.

Whatever a guest writes, `read_reply` gives a value or one `WireError`; every length is checked before a byte
is allocated for it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

CELL = struct.Struct("<4sI16sI")
"""Host to guest: magic, cell number, token, length of the code in bytes."""
REPLY = struct.Struct("<4sI16sBBHII")
"""Guest to host: magic, cell number, token, status, truncated, images, length of stdout, of stderr."""
SIZE = struct.Struct("<II")
"""Width and height of an image."""
FORK, AHEAD, PING = b"F", b"A", b"P"
"""Host to zygote: fork a guest, which gets the socket that travels along; fork one that warms up first
while nobody waits for it; only answer."""
READY = struct.Struct("<BI")
"""Guest to host, when its walls stand and when it has its images: whether not, and the error's length."""
START = struct.Struct("<QI")
"""Host to guest: seed, number of images; their sizes follow, and their pixels as one descriptor each."""

CELL_MAGIC, REPLY_MAGIC = b"DEc1", b"DEr1"
OK, EXCEPTION = 0, 1
CHANNELS = 3
"""Images come out as RGB, one byte per channel."""
SHARED_CHANNELS = 4
"""Images go in as RGB with a byte of padding, which is how Pillow keeps them: they need no copy."""
MAX_IMAGES = 50
"""Images of an episode: each takes a descriptor, of which a guest has 64."""

_BYTES_PER_CHARACTER = 4
_NOTICE_CHARACTERS = 200

Receive = Callable[[int], bytes | bytearray]
"""Gives exactly that many bytes, or raises."""


class WireError(ValueError):
    """A frame that breaks the format or the limits."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a reply may hold; the units are those of `SandboxLimits`."""

    output_chars: int
    images: int
    pixels_per_image: int
    pixels_per_cell: int

    @property
    def text_bytes(self) -> int:
        """Longest encoded stdout or stderr, with room for the notice that something was cut."""
        return _BYTES_PER_CHARACTER * (self.output_chars + _NOTICE_CHARACTERS)


@dataclass(frozen=True, slots=True)
class RawImage:
    """An RGB image of `width` x `height` pixels; `pixels` has `width * height * 3` bytes, row by row."""

    width: int
    height: int
    pixels: bytes | bytearray


@dataclass(frozen=True, slots=True)
class Reply:
    """What a guest says about one cell. `status` is `OK` or `EXCEPTION`."""

    status: int
    truncated: bool
    stdout: str
    stderr: str
    images: tuple[RawImage, ...]


def write_reply(cell: int, token: bytes, reply: Reply) -> list[bytes | bytearray]:
    """The reply's bytes, in pieces to be sent one after the other."""
    stdout, stderr = (text.encode("utf-8", "replace") for text in (reply.stdout, reply.stderr))
    images = reply.images
    header = REPLY.pack(
        REPLY_MAGIC, cell, token, reply.status, reply.truncated, len(images), len(stdout), len(stderr)
    )
    sizes = b"".join(SIZE.pack(image.width, image.height) for image in images)
    return [header + sizes + stdout + stderr, *(image.pixels for image in images)]


def read_reply(receive: Receive, cell: int, token: bytes, bounds: Bounds) -> Reply:
    """Parse a reply from an untrusted guest.

    Args:
        receive: The source of bytes.
        cell: The expected cell number.
        token: The expected token.
        bounds: What the reply may hold.

    Raises:
        WireError: The frame breaks the format or the bounds.
    """
    magic, number, echoed, status, truncated, count, stdout, stderr = REPLY.unpack(receive(REPLY.size))
    if magic != REPLY_MAGIC or (number, echoed) != (cell, token):
        raise WireError("not the reply to this cell")
    if status not in (OK, EXCEPTION) or truncated not in (0, 1):
        raise WireError("unknown status")
    if count > bounds.images or max(stdout, stderr) > bounds.text_bytes:
        raise WireError("more text or images than the limits allow")
    sizes = [_checked_size(SIZE.unpack(receive(SIZE.size)), bounds) for _ in range(count)]
    if sum(width * height for width, height in sizes) > bounds.pixels_per_cell:
        raise WireError("images of more pixels than the limits allow")
    texts = [bytes(receive(length)).decode("utf-8", "replace") for length in (stdout, stderr)]
    if max(map(len, texts)) > bounds.output_chars + _NOTICE_CHARACTERS:
        raise WireError("more text than the limits allow")
    images = tuple(RawImage(w, h, receive(w * h * CHANNELS)) for w, h in sizes)
    return Reply(status, bool(truncated), texts[0], texts[1], images)


def pack_start(seed: int, sizes: Sequence[tuple[int, int]]) -> bytes:
    """The message that gives a guest its episode; the descriptors of the images travel with it."""
    return START.pack(seed, len(sizes)) + b"".join(SIZE.pack(*size) for size in sizes)


def unpack_sizes(data: bytes) -> list[tuple[int, int]]:
    """The sizes of the images, which follow `START`."""
    return [(width, height) for width, height in SIZE.iter_unpack(data)]


def _checked_size(size: tuple[int, int], bounds: Bounds) -> tuple[int, int]:
    width, height = size
    if not 0 < width * height <= bounds.pixels_per_image:
        raise WireError(f"an image of {width}x{height} pixels")
    return size
