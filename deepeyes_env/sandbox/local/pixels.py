"""The host's side of images: each in one sealed anonymous file, shared by all sessions that have it."""

from __future__ import annotations

import fcntl
import os
import weakref

from PIL import Image

from deepeyes_env.sandbox.local.guest.wire import SHARED_CHANNELS
from deepeyes_env.stripes import Stripes

_STRIP_BYTES = 1 << 20
"""Written at once: a copy of a strip stays in the processor's cache, a copy of a large image does not."""


class SharedImage:
    """The pixels of an image as guests map them: RGB with a byte of padding, which nobody can change.

    Attributes:
        size: Width and height.
        handle: A descriptor of the file; it is closed with this object.
    """

    def __init__(self, image: Image.Image) -> None:
        """Copy the pixels.

        Raises:
            OSError: The image does not load, or there are too many open files.
        """
        self.size = image.size
        self.handle = os.memfd_create("image", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        weakref.finalize(self, os.close, self.handle)
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        rows = max(1, _STRIP_BYTES // max(1, rgb.width * SHARED_CHANNELS))
        for top in range(0, rgb.height, rows):
            strip = rgb.crop((0, top, rgb.width, min(top + rows, rgb.height)))
            view = memoryview(strip.tobytes("raw", "RGBX"))
            while view:
                view = view[os.write(self.handle, view) :]
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self.handle, fcntl.F_ADD_SEALS, seals)
        # While its pixels live, no other image has their id; and whoever decodes it again gets this one.
        self._image, self._core = image, image.im


_SHARED: weakref.WeakValueDictionary[int, SharedImage] = weakref.WeakValueDictionary()
_SHARING = Stripes()


def share(image: Image.Image) -> SharedImage:
    """The image as a file; a read-only one (`images.freeze`) is copied once for all sessions that live.

    Raises:
        OSError: See `SharedImage`.
    """
    image.load()
    if not image.readonly:
        return SharedImage(image)
    # Pillow gives a read-only picture new pixels, another core, before it changes one.
    key = id(image.im)
    with _SHARING.of(key):
        shared = _SHARED.get(key)
        if shared is None:
            shared = _SHARED[key] = SharedImage(image)
        return shared
