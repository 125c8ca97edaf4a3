"""Memory in huge pages: a fork copies a table entry for each page, and most of its time goes into that."""

from __future__ import annotations

import ctypes
import re

_MADV_COLLAPSE = 25
_HUGE = 2 << 20
"""Size of a huge page on x86-64, and on ARM with small pages of 4 KiB."""

_ANONYMOUS = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw-p 00000000 00:00 0 *(?:\[heap\])?$", re.MULTILINE)


_RESERVED = 32 << 20
"""What Python's objects take with NumPy, Pillow and Matplotlib imported is 27 MB; more is not huge."""
_OBJECT, _PINNED = 512, 256 << 10
"""Size of the largest small object, and the distance of those that keep an arena of 1 MiB (`obmalloc.c`)."""

_pins: list[bytes] = []


def reserve() -> None:
    """Before the imports: let Python's small objects have one piece of memory that huge pages fit into.

    The allocator takes its arenas one by one, between the libraries, where no huge page has room. So it is
    made to take them at once, and one object in each keeps it from giving them back.
    """
    objects = [bytes(_OBJECT - b"".__sizeof__()) for _ in range(_RESERVED // _OBJECT)]
    _pins.extend(objects[:: _PINNED // _OBJECT])


def collapse(maps: str) -> None:
    """Move this process's anonymous memory into huge pages, as far as the kernel can and will.

    Args:
        maps: The content of `/proc/self/maps`.
    """
    library = ctypes.CDLL(None)
    for start, end in _ANONYMOUS.findall(maps):
        first = -(-int(start, 16) // _HUGE) * _HUGE
        length = int(end, 16) // _HUGE * _HUGE - first
        if length > 0:  # a refusal costs nothing but time
            library.madvise(ctypes.c_void_p(first), ctypes.c_size_t(length), _MADV_COLLAPSE)
