"""The helper process of `mathematics`: reads pairs of expressions as JSON lines, says whether they are equal.

Run as a script, so that it imports nothing of this package. `math-verify`'s time limits are signal alarms,
which work here because this is a main thread.
"""

from __future__ import annotations

import json
import resource
import sys

MEMORY_BYTES = 2 << 30
"""Address space of the helper; a runaway expression runs into it and counts as not equal."""

SECONDS = 3
"""`math-verify`'s limit for reading one expression and for comparing two."""


def main() -> None:
    """Serve until standard input closes."""
    import logging

    from math_verify import LatexExtractionConfig, parse, verify

    # By default it falls back to any number that it finds in the text: the last one of `41 \\lor 42`.
    rules = {"extraction_config": [LatexExtractionConfig()], "fallback_mode": "no_fallback"}

    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        reference, answer = json.loads(line)
        try:
            expected, given = (
                parse(f"${text}$", parsing_timeout=SECONDS, **rules) for text in (reference, answer)
            )
            equal = bool(expected and given and verify(expected, given, timeout_seconds=SECONDS))
        except Exception:
            # Whatever a computer algebra system cannot digest is not a recognised equality.
            equal = False
        print(json.dumps(equal), flush=True)


if __name__ == "__main__":
    main()
