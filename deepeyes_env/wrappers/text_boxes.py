"""Texts as arrays of a fixed shape: their bytes, which can be read again, or counts of their words."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from deepeyes_env.errors import require

Array = npt.NDArray[Any]

MOST = 16.0
"""Above `log(1 + count)` of any text: e^16 words are more than an observation has characters (`FreeText`)."""


class TextBox(Protocol):
    """Makes arrays of texts."""

    @property
    def space(self) -> spaces.Box:
        """What the arrays are in."""
        ...

    def encode(self, text: str) -> Array:
        """A new array for a text."""
        ...


@dataclass(frozen=True, slots=True)
class TextBytes:
    """UTF-8, cut after `length` bytes and padded with zeros: for networks that read.

    Attributes:
        length: Bytes.

    Raises:
        ConfigError: Less than one.
    """

    length: int = 1024

    def __post_init__(self) -> None:
        require(self.length >= 1, "length", self.length, "at least 1")

    @property
    def space(self) -> spaces.Box:
        """uint8 `[length]`."""
        return spaces.Box(0, 255, (self.length,), np.uint8)

    def encode(self, text: str) -> Array:
        """The bytes of a text."""
        data = text.encode("utf-8", "replace")[: self.length]
        return np.frombuffer(data.ljust(self.length, b"\0"), np.uint8).copy()

    def decode(self, array: Array) -> str:
        """The text of the bytes; a character that was cut in two is left out."""
        return bytes(np.asarray(array, np.uint8)).rstrip(b"\0").decode("utf-8", "ignore")


@dataclass(frozen=True, slots=True)
class WordCounts:
    """How often each word occurs, hashed into buckets, as `log(1 + count)`: for stock MLP policies.

    Hashing needs no vocabulary (feature hashing, Weinberger et al., arXiv 0902.2206); CRC-32 is the same in
    every process, as Python's own `hash` is not.

    Attributes:
        buckets: Length of the array.

    Raises:
        ConfigError: Less than one.
    """

    buckets: int = 256

    def __post_init__(self) -> None:
        require(self.buckets >= 1, "buckets", self.buckets, "at least 1")

    @property
    def space(self) -> spaces.Box:
        """float32 `[buckets]`."""
        return spaces.Box(0.0, MOST, (self.buckets,), np.float32)

    def encode(self, text: str) -> Array:
        """The counts of a text's words; numbers are words, and case does not matter."""
        words = re.findall(r"\w+", text.lower())
        chosen = [zlib.crc32(word.encode("utf-8", "replace")) % self.buckets for word in words]
        counts = np.bincount(np.array(chosen, np.int64), minlength=self.buckets)
        return np.log1p(counts).astype(np.float32)
