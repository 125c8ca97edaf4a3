"""Pixel patches of images, cached by hash: the samples of a group all look at the same question image."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import torch

from agents.qwen import pixel_inputs
from deepeyes_env.images import EncodedImage

MAX_BYTES = 256 * 2**20
"""Default bound of the cache: about ten pictures of a megapixel, 24 MiB each as float32 patches."""


class PixelCache:
    """Least-recently-used patches, bounded in bytes. Policy and trainer may use one at the same time.

    Args:
        max_bytes: Bound; an image above it is prepared every time.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._cache: OrderedDict[str, tuple[torch.Tensor, torch.Tensor]] = OrderedDict()

    def __call__(self, images: Sequence[EncodedImage]) -> tuple[torch.Tensor, torch.Tensor]:
        """Prepare images for the model.

        Args:
            images: `I >= 1` images in order of appearance, sides multiples of 28.

        Returns:
            `pixel_values` float32 `[P, 1176]` and `image_grid_thw` int64 `[I, 3]`.
        """
        patches, grids = zip(*map(self._prepare, images), strict=True)
        return torch.cat(patches), torch.cat(grids)

    def _prepare(self, image: EncodedImage) -> tuple[torch.Tensor, torch.Tensor]:
        name = image.key  # takes a while the first time: not under the lock
        with self._lock:
            if name in self._cache:
                self._cache.move_to_end(name)
                return self._cache[name]
        prepared = pixel_inputs([image])
        with self._lock:
            self._keep(name, prepared)
        return prepared

    def _keep(self, name: str, prepared: tuple[torch.Tensor, torch.Tensor]) -> None:
        if name in self._cache:  # somebody else was faster
            return
        self._cache[name] = prepared
        self._bytes += prepared[0].nbytes
        while self._bytes > self.max_bytes:
            _, (patches, _) = self._cache.popitem(last=False)
            self._bytes -= patches.nbytes
