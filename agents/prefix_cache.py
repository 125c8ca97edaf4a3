"""Beginnings of conversations whose keys and values were computed before, found by their content.

A beginning's name is a hash of its token ids and of the images inside it. Asking with other ids or another
picture finds nothing, so nothing can be reused for the wrong conversation.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from agents.trajectory import ImageSpan
from deepeyes_env.images import EncodedImage


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """What is kept of a conversation's beginning.

    Attributes:
        keys_values: `[layers, 2, heads, T, width]`, as `KVCache.read` gives it.
        hidden: `[H]`, the last token's hidden state, so that a prompt asked for again costs no pass at all;
            None where it is not at hand, at a turn's end.
    """

    keys_values: torch.Tensor
    hidden: torch.Tensor | None = None

    @property
    def length(self) -> int:
        """`T`, in tokens."""
        return self.keys_values.shape[3]

    @property
    def nbytes(self) -> int:
        """Bytes it holds."""
        return self.keys_values.nbytes + (0 if self.hidden is None else self.hidden.nbytes)


def prefix_key(
    ids: npt.NDArray[np.int64], spans: Sequence[ImageSpan], images: Sequence[EncodedImage]
) -> bytes:
    """The name of a beginning.

    Args:
        ids: int64 `[T]`, its token ids.
        spans: The conversation's image spans; those that begin after `T` do not count.
        images: Their images.

    Returns:
        32 bytes.
    """
    name = hashlib.sha256(ids.tobytes())
    for span, image in zip(spans, images, strict=True):
        if span.start < len(ids):
            name.update(f"{span.start} {span.grid} {image.key};".encode())
    return name.digest()


class PrefixCache:
    """Least-recently-used beginnings, bounded in bytes.

    Args:
        max_bytes: Bound; a beginning above it is not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.nbytes = 0
        self._kept: OrderedDict[bytes, Prefix] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: bytes) -> bool:
        return key in self._kept

    def prompt(self, key: bytes) -> Prefix | None:
        """A whole prompt; it stays, because the next sample of its group may ask for it."""
        prefix = self._kept.get(key)
        if prefix is None or prefix.hidden is None:
            return None
        self._kept.move_to_end(key)
        return prefix

    def past(self, key: bytes) -> Prefix | None:
        """A turn's end; it is the next to go, because a conversation goes on from there only once."""
        prefix = self._kept.get(key)
        if prefix is not None:
            self._kept.move_to_end(key, last=False)
        return prefix

    def put(self, key: bytes, prefix: Prefix) -> None:
        """Keep a beginning that is not yet here, and drop the oldest ones above the bound."""
        self._kept[key] = prefix
        self.nbytes += prefix.nbytes
        while self.nbytes > self.max_bytes:
            self.nbytes -= self._kept.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Drop everything."""
        self._kept.clear()
        self.nbytes = 0
