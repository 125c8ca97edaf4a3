"""Mathematical equivalence by `math-verify`, in a process of its own that can be stopped.

A short answer such as `9^{9^{9^9}}` can keep a computer algebra system busy for ever, and `math-verify`'s
own time limit works in a main thread only. So a helper process does the work, with limits on processor time
and memory.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

from deepeyes_env.rewards.normalise import plain

ANSWER_SECONDS = 300.0
"""Wall time in which the helper has used up its processor time on any machine that works."""

START_SECONDS = 120.0
"""Wall time that the helper's imports may take on a busy machine."""

_COMMAND = re.compile(r"\\([a-zA-Z]+)")
_SIGN = re.compile(r"\\[a-zA-Z]+|[\^√π]|\b(?:sqrt|pi)\b|[a-zA-Z]\s*[=+*/-]|[=+*/-]\s*[a-zA-Z]")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+|/\d+)?")
_EQUATION = re.compile(r"[a-zA-Z]\s*=[^=]+")
_WORD = re.compile(r"[^\W\d_]{2,}")
_FUNCTIONS = frozenset(("sqrt", "pi", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "log", "ln", "exp"))
_COMMANDS = _FUNCTIONS | {"frac", "dfrac", "tfrac", "cdot", "times", "div", "left", "right"}
"""LaTeX commands that are calculated with; `\\approx`, `\\in` or `\\lor` might be read over."""


def equivalent(answer: str, reference: str) -> bool:
    """Whether two expressions are equal.

    Both must be mathematics and nothing else, and unmistakably so: `3-2` may be a score and `12/5` a date, so
    neither is calculated. Only a plain number or fraction needs no sign of mathematics beside an expression
    that has one. Of an equation the right side is compared, so the left one must be a variable.

    Args:
        answer: What the policy wrote; the caller bounds its length.
        reference: The reference answer.

    Returns:
        True if they are equal; False if not, or if it takes too long to tell.

    Raises:
        MathematicsError: The helper does not start or hangs, which is not the answer's fault.
    """
    expressions = [_readable(text) for text in (reference, answer)]
    marked = [bool(_SIGN.search(expression)) for expression in expressions]
    clear = [sign or _NUMBER.fullmatch(text) for sign, text in zip(marked, expressions, strict=True)]
    if not any(marked) or not all(clear) or not all(map(_only_mathematics, expressions)):
        return False
    if any("=" in text and not _EQUATION.fullmatch(text) for text in expressions):
        return False
    return _HELPER.ask(*expressions)


def _readable(text: str) -> str:
    return re.sub(r"√\s*(\d+|[a-zA-Z])", r"\\sqrt{\1}", plain(text)).replace("π", "\\pi ")


def _only_mathematics(text: str) -> bool:
    words, commands = _WORD.findall(_COMMAND.sub(" ", text)), _COMMAND.findall(text)
    return (
        _FUNCTIONS.issuperset(words) and _COMMANDS.issuperset(commands) and not re.search(r"\n|\$|\\\\", text)
    )


class MathematicsError(RuntimeError):
    """The helper that compares expressions does not start or hangs: no verdict."""


class _Helper:
    """One helper per process, started when first needed and again after it had to be stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def ask(self, reference: str, answer: str) -> bool:
        request = json.dumps([reference, answer]).encode() + b"\n"
        with self._lock:
            reply = b""
            try:
                process = self._started()
                assert process.stdin is not None
                process.stdin.write(request)
                process.stdin.flush()
                reply = _read_line(process, ANSWER_SECONDS)
            finally:
                # Also after Ctrl-C: a late reply would be taken for the next one's.
                if not reply:
                    self._stop()
            return reply == b"true"

    def stop(self) -> None:
        with self._lock:
            self._stop()

    def _started(self) -> subprocess.Popen[bytes]:
        # A forked copy of this process must not share the helper's pipes with it.
        if self._process is not None and self._owner == os.getpid() and self._process.poll() is None:
            return self._process
        script = Path(__file__).with_name("math_worker.py")
        command = [sys.executable, "-P", str(script)]
        # In a session of its own, so that Ctrl-C in the terminal does not make it write a traceback.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._owner = os.getpid()
        if _read_line(self._process, START_SECONDS) != b'"ready"':
            self._stop()
            raise MathematicsError("the math-verify helper does not start; is math-verify installed?")
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            process.kill()
            process.communicate()


def _read_line(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """One line without its end, or an empty one after the process's end.

    Raises:
        MathematicsError: Nothing came in time.
    """
    assert process.stdout is not None
    descriptor, line, deadline = process.stdout.fileno(), b"", time.monotonic() + seconds
    while not line.endswith(b"\n"):
        if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise MathematicsError(f"the math-verify helper has not answered within {seconds:g} s")
        if not (chunk := os.read(descriptor, 4096)):
            return b""
        line += chunk
    return line.rstrip(b"\n")


_HELPER = _Helper()
atexit.register(_HELPER.stop)
