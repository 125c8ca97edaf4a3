"""Long documents are cut into passages, because a search finds passages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deepeyes_env.search.local.snippet import SNIPPET_CHARS, fitting, sentences

PASSAGE_CHARS = SNIPPET_CHARS
"""Most characters of a passage: what a hit shows, so that a policy sees all of it. It is about as much as the
100 words of the passages of Search-R1's Wikipedia."""


def passages(text: str, limit: int = PASSAGE_CHARS) -> Iterator[str]:
    """Runs of whole sentences, each as long as fits; longer sentences are cut.

    Args:
        text: Any text; white space counts as one space.
        limit: Most characters of a passage.
    """
    pieces = sentences(re.sub(r"\s+", " ", text), limit)
    start = 0
    while start < len(pieces) and pieces[start]:
        stop = fitting(pieces, start, limit)
        yield " ".join(pieces[start:stop])
        start = stop
