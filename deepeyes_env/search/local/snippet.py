"""The part of a page that is shown with a hit."""

from __future__ import annotations

import re
from collections.abc import Callable

SNIPPET_CHARS = 600
"""Characters of a page that a hit shows. `search-and-benchmarks` A.4 caps snippets at 2,000; five of 600 are
about 800 tokens, which leaves room for several searches in an episode."""

ELLIPSIS = "…"


def focus(text: str, terms: set[str], analyze: Callable[[str], list[str]], limit: int) -> str:
    """The run of whole sentences that holds the most query terms.

    Args:
        text: The page's text.
        terms: Analysed query terms.
        analyze: Turns a sentence into terms.
        limit: Most characters returned.

    Returns:
        `text` itself if it fits, else the earliest best run, marked with an ellipsis where it was cut.
    """
    if len(text) <= limit:
        return text
    pieces = sentences(text, limit - 2 * len(ELLIPSIS))
    matched = [terms.intersection(analyze(sentence)) for sentence in pieces]
    best, best_count = (0, 1), -1
    for start in range(len(pieces)):
        stop = fitting(pieces, start, limit - 2 * len(ELLIPSIS))
        count = len(set().union(*matched[start:stop]))
        if count > best_count:
            best, best_count = (start, stop), count
    start, stop = best
    lead = ELLIPSIS if start > 0 else ""
    tail = ELLIPSIS if stop < len(pieces) else ""
    return lead + " ".join(pieces[start:stop]) + tail


def sentences(text: str, longest: int) -> list[str]:
    """The sentences of `text`, cut where they are longer than `longest` characters."""
    pieces = re.split(r"(?<=[.!?])\s+", text.strip())
    return [piece[i : i + longest] for piece in pieces for i in range(0, max(1, len(piece)), longest)]


def fitting(pieces: list[str], start: int, limit: int) -> int:
    """Where a run of pieces from `start` on ends that has `limit` characters, spaces between them counted."""
    stop, used = start + 1, len(pieces[start])
    while stop < len(pieces) and used + 1 + len(pieces[stop]) <= limit:
        used += 1 + len(pieces[stop])
        stop += 1
    return stop
