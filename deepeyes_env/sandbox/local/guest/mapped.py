"""Pictures over memory that other sessions read as well: nothing is copied until a cell writes.

Pillow takes foreign memory by the Arrow C data interface (its documentation, "Arrow support"; the structures
are those of Arrow's "C data interface") and copies a picture over such memory before it changes a pixel.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import TYPE_CHECKING, Any

from .wire import SHARED_CHANNELS

if TYPE_CHECKING:
    from PIL import Image

_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Schema(ctypes.Structure):
    _fields_ = [
        ("format", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("metadata", ctypes.c_char_p),
        ("flags", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", _RELEASE),
        ("private_data", ctypes.c_void_p),
    ]


class _Array(ctypes.Structure):
    _fields_ = [
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", _RELEASE),
        ("private_data", ctypes.c_void_p),
    ]


_INT32 = b"I"
"""Arrow's name for an unsigned integer of 32 bits: one pixel."""


class _Pixels:
    """Mapped memory as an Arrow array; both stay for as long as the process lives."""

    _kept: list[_Pixels] = []  # noqa: RUF012

    def __init__(self, address: int, count: int) -> None:
        self._schema = _Schema(format=_INT32, release=_release_schema)
        self._buffers = (ctypes.c_void_p * 2)(None, address)
        self._array = _Array(length=count, n_buffers=2, buffers=self._buffers, release=_release_array)
        self._kept.append(self)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return _capsule(self._schema, b"arrow_schema"), _capsule(self._array, b"arrow_array")


def map_image(handle: int, size: tuple[int, int]) -> Image.Image:
    """An RGB picture over a file of pixels, each of which is followed by a byte of padding.

    Args:
        handle: A descriptor of the file; it may be closed afterwards.
        size: Width and height.

    Raises:
        ValueError: The file is too short.
        OSError: The file cannot be mapped.
    """
    from PIL import Image

    count = size[0] * size[1]
    if os.fstat(handle).st_size < count * SHARED_CHANNELS:
        raise ValueError("an image without its pixels")
    return Image.fromarrow(_Pixels(_map(handle, count * SHARED_CHANNELS), count), "RGB", size)


def _map(handle: int, length: int) -> int:
    """Map a file, without the second descriptor that Python's `mmap` keeps.

    Private: whatever a cell does to these pages, the file never changes.
    """
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    nowhere, start = ctypes.c_void_p(None), ctypes.c_long(0)
    address = library.mmap(nowhere, ctypes.c_size_t(length), mmap.PROT_READ, mmap.MAP_PRIVATE, handle, start)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    return int(address)


def let_pixels_be_written() -> None:
    """Make `image.load()[x, y] = ...` copy a mapped picture first, as Pillow's other ways to write do."""
    from PIL import Image

    load = Image.Image.load

    def load_or_copy_later(image: Any) -> Any:
        access = load(image)
        return _CopyOnWrite(image, access) if image.readonly else access

    Image.Image.load = load_or_copy_later  # type: ignore[method-assign, assignment]


class _CopyOnWrite:
    """The pixels of a read-only picture, which become its own at the first write."""

    def __init__(self, image: Any, access: Any) -> None:
        self._image, self._access = image, access

    def __getitem__(self, place: tuple[int, int]) -> Any:
        return self._access[place]

    def __setitem__(self, place: tuple[int, int], colour: Any) -> None:
        if self._image.readonly:
            self._image._ensure_mutable()
            self._access = self._image.im.pixel_access(0)
        self._access[place] = colour

    getpixel, putpixel = __getitem__, __setitem__


@_RELEASE
def _release_schema(address: int) -> None:
    _Schema.from_address(address).release = _RELEASE()


@_RELEASE
def _release_array(address: int) -> None:
    _Array.from_address(address).release = _RELEASE()


def _capsule(structure: ctypes.Structure, name: bytes) -> object:
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(ctypes.addressof(structure), name, None)
