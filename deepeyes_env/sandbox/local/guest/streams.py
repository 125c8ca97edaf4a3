"""A cell's stdout and stderr: text with its head and its tail kept."""

from __future__ import annotations

import io
import re
from typing import IO, Any, cast

_BYTES_PER_CHARACTER = 4
_ADDRESS = re.compile(r"(?<= at 0x)[0-9a-fA-F]{6,16}\b")
"""What Python's default `repr` ends in, as in `<Line2D object at 0x7f469ce8de10>`."""


def without_addresses(text: str) -> str:
    """The text with `...` for addresses: they differ from run to run, and the same episode must not."""
    return _ADDRESS.sub("...", text)


class Tape(io.BufferedIOBase):
    """A binary stream that keeps the first and the last bytes written to it.

    Attributes:
        total: How many bytes were written.
    """

    def __init__(self, characters: int) -> None:
        self._half = characters // 2
        self._limit = _BYTES_PER_CHARACTER * self._half
        self.clear()

    def clear(self) -> None:
        """Forget everything written so far."""
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Stay open: a cell's own wrapper around this stream closes it when it is collected."""

    def write(self, data: Any) -> int:
        """Take bytes; the middle of a long text is dropped."""
        view = memoryview(data).cast("B")
        room = max(0, self._limit - len(self._head))
        self._head += view[:room]
        self._tail += view[room:][-self._limit :]
        if len(self._tail) > 2 * self._limit:
            del self._tail[: -self._limit]
        self.total += len(view)
        return len(view)

    def text(self) -> tuple[str, bool]:
        """The text, cut in the middle to the limit, and whether it was cut."""
        if len(self._head) + len(self._tail) == self.total:
            head = tail = (self._head + self._tail).decode("utf-8", "replace")
            if len(head) <= 2 * self._half:
                return head, False
        else:
            head, tail = (part.decode("utf-8", "replace") for part in (self._head, self._tail))
        notice = f"\n[... cut: {self.total} bytes written, output_chars = {2 * self._half} kept ...]\n"
        return head[: self._half] + notice + tail[-self._half :], True


class Text(io.TextIOWrapper):
    """A text stream over a `Tape`; what cannot be encoded is shown as an escape."""

    def __init__(self, characters: int) -> None:
        self.tape = Tape(characters)
        super().__init__(
            cast(IO[bytes], self.tape), encoding="utf-8", errors="backslashreplace", newline="\n"
        )

    def detach(self) -> Any:
        """The binary stream, which stays this one's as well: the worker still reads what is written."""
        self.flush()
        return self.tape

    def take(self) -> tuple[str, bool]:
        """What was written since the last call, without addresses, and whether it was cut."""
        self.flush()
        if not self.tape.total:
            return "", False
        text, cut = self.tape.text()
        self.tape.clear()
        return without_addresses(text), cut
