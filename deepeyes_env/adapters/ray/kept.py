"""Values by name, as many as fit into a number of bytes; the longest unused go first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Not thread-safe."""

    def __init__(self, most: int) -> None:
        """Keep at most `most` bytes."""
        self._most = most
        self._bytes = 0
        self._values: OrderedDict[str, tuple[T, int]] = OrderedDict()

    def get(self, name: str) -> T | None:
        """The value, if it is still kept."""
        if name not in self._values:
            return None
        self._values.move_to_end(name)
        return self._values[name][0]

    def put(self, name: str, value: T, size: int) -> None:
        """Keep a value of `size` bytes whose name is new; one larger than everything is not kept."""
        self._values[name] = value, size
        self._bytes += size
        while self._bytes > self._most:
            _, (_, gone) = self._values.popitem(last=False)
            self._bytes -= gone
