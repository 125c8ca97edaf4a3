"""Tracebacks that are short and point at the cell's own lines."""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections import deque
from types import TracebackType

_CELL = "<cell "
_LIBRARY = re.compile(r"^.*/(python3\.\d+|site-packages|dist-packages)/")
"""Where libraries lie differs between machines; a cell's output must not."""
_OWN = os.path.dirname(__file__)
"""Where this package lies; its frames are none of the cell's business."""
_FIRST_FRAMES, _LAST_FRAMES = 3, 5

_HINTS = {
    errno.EPERM: "a sandbox has no network and starts no programs",
    errno.EACCES: "a sandbox reads its libraries and writes below its temporary directory only",
    errno.EROFS: "a sandbox writes below its temporary directory only",
    errno.ENOSPC: "the temporary directory is full: tmp_bytes, tmp_files",
    errno.EFBIG: "the file is too large: tmp_bytes",
}
_TOP_LEVEL_AWAIT = re.compile(r"^('await'|'async \w+'|asynchronous comprehension) outside")
_COMPILE_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


class CellSyntaxError(Exception):
    """The cell does not compile; `args[0]` is the text to show."""


def cell_name(number: int) -> str:
    """The file name under which a cell's lines appear in tracebacks."""
    return f"{_CELL}{number}>"


def syntax_text(error: BaseException) -> str:
    """What is shown for a cell that does not compile (`SyntaxError - ...`, reference section 1.4)."""
    if not isinstance(error, SyntaxError):
        return f"SyntaxError - {error or type(error).__name__}"
    text = (error.text or "").rstrip("\n")
    if text.lstrip().startswith(("%", "!", "?")) or text.endswith("?"):
        return (
            f"SyntaxError - IPython magics, help and shell commands (%, ? and !) are not available here; "
            f"write plain Python (line {error.lineno})"
        )
    if _TOP_LEVEL_AWAIT.search(error.msg):
        return (
            f"SyntaxError - {error.msg}: a cell is no coroutine; use asyncio.run(...) (line {error.lineno})"
        )
    shown = f"SyntaxError - {error.msg} (line {error.lineno})"
    if not text.strip():
        return shown
    column = max(0, (error.offset or 1) - 1 - (len(text) - len(text.lstrip())))
    return f"{shown}\n    {text.strip()}\n    {' ' * column}^"


def compile_errors() -> tuple[type[BaseException], ...]:
    """The exceptions by which Python refuses to compile a text."""
    return _COMPILE_ERRORS


def exception_text(error: BaseException, limits: str) -> str:
    """The traceback of an exception that a cell raised.

    Args:
        error: The exception.
        limits: What to say about memory and threads when one of these limits was met.

    Returns:
        The text, ending in a newline.
    """
    frames = _frames(error.__traceback__)
    lines = ["Traceback (most recent call last):\n", *traceback.StackSummary.from_list(frames).format()]
    lines += traceback.format_exception_only(type(error), error)
    hint = _hint(error, limits)
    if hint:
        lines.append(f"[{hint}]\n")
    return "".join(lines)


def _frames(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    """The cell's own frames, the outermost and the innermost, and the place outside it that raised."""
    first: list[traceback.FrameSummary] = []
    last: deque[traceback.FrameSummary] = deque(maxlen=_LAST_FRAMES)
    outside = None
    while trace is not None:
        code = trace.tb_frame.f_code
        if os.path.dirname(code.co_filename) == _OWN:
            trace = trace.tb_next
            continue
        outside = None
        if code.co_filename.startswith(_CELL):
            frame = traceback.FrameSummary(code.co_filename, trace.tb_lineno, code.co_name, lookup_line=False)
            if len(first) < _FIRST_FRAMES:
                first.append(frame)
            else:
                last.append(frame)
        else:
            outside = (code.co_filename, trace.tb_lineno, code.co_name)
        trace = trace.tb_next
    frames = first + list(last)
    if outside and frames:
        frames.append(traceback.FrameSummary(_LIBRARY.sub("", outside[0]), *outside[1:], line=""))
    return frames


def _hint(error: BaseException, limits: str) -> str | None:
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "start new thread" in str(error)
    ):
        return limits
    if isinstance(error, OSError) and error.errno is not None:
        return _HINTS.get(error.errno)
    return None
