"""The helper process of `mathematics`: reads pairs of expressions as JSON lines, says whether they are equal.

Run as a script, so that it imports nothing of this package. Its limits are on its own processor time: those
of `math-verify` are on wall time, by which an answer is right on an idle machine and wrong on a busy one.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from types import FrameType

MEMORY_BYTES = 2 << 30
"""Address space of the helper; a runaway expression runs into it and counts as not equal."""

SECONDS = 3.0
"""Processor time for reading two expressions and comparing them: `math-verify` gives as much to each step."""

LAST_SECONDS = 6.0
"""Processor time after which the kernel ends the helper, should C code keep Python from its limit."""


class _OutOfTime(BaseException):
    """Not an `Exception`, which `math-verify` would catch to try the next way of reading."""


def _stop(signum: int, frame: FrameType | None) -> None:
    raise _OutOfTime


def _limit(seconds: float, last_seconds: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_VIRTUAL, last_seconds)


def main() -> None:
    """Serve until standard input closes."""
    import logging

    from math_verify import LatexExtractionConfig, parse, verify

    # By default it falls back to any number that it finds in the text: the last one of `41 \\lor 42`.
    rules = {"extraction_config": [LatexExtractionConfig()], "fallback_mode": "no_fallback"}

    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGPROF, _stop)
    # Its late imports take longer than an answer may.
    sides = (parse(text, parsing_timeout=None, **rules) for text in ("$x+1$", "$1+x$"))
    verify(*sides, timeout_seconds=None)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        reference, answer = json.loads(line)
        try:
            _limit(SECONDS, LAST_SECONDS)
            expected, given = (
                parse(f"${text}$", parsing_timeout=None, **rules) for text in (reference, answer)
            )
            equal = bool(expected and given and verify(expected, given, timeout_seconds=None))
        except (Exception, _OutOfTime):
            # Whatever a computer algebra system cannot digest is not a recognised equality.
            equal = False
        finally:
            _limit(0, 0)
        print(json.dumps(equal), flush=True)


if __name__ == "__main__":
    main()
