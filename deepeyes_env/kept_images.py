"""Images that a client keeps so that none is sent to it twice."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict

from deepeyes_env.images import EncodedImage

MAX_KEPT_BYTES = 256 << 20
"""Encoded images that are kept by default; those that nobody asked for longest go first."""


class KeptImages:
    """Encoded images by hash, the least recently used of them forgotten. Safe to use from many threads."""

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        """Keep nothing yet.

        Args:
            max_bytes: Encoded bytes of all images together.
        """
        self._max_bytes = max_bytes
        self._bytes = 0
        self._images: OrderedDict[str, EncodedImage] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, sha256: str) -> EncodedImage | None:
        """The image of this hash, or None."""
        with self._lock:
            if sha256 in self._images:
                self._images.move_to_end(sha256)
            return self._images.get(sha256)

    def add(self, image: EncodedImage) -> None:
        """Keep an image."""
        with self._lock:
            if image.sha256 not in self._images:
                self._bytes += len(image.data)
            self._images[image.sha256] = image
            self._images.move_to_end(image.sha256)
            while self._bytes > self._max_bytes:
                self._bytes -= len(self._images.popitem(last=False)[1].data)

    def newest(self, most: int) -> dict[str, EncodedImage]:
        """The images used last, at most `most` of them."""
        with self._lock:
            return dict(itertools.islice(reversed(self._images.items()), most))

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._images.clear()
            self._bytes = 0
