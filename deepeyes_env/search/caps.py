"""The most that a response holds, wherever it comes from (`search-and-benchmarks` A.4)."""

from __future__ import annotations

MAX_HITS = 10
"""Hits, and so thumbnails: the images a turn may show (reference 1.5)."""

TITLE_CHARS = 300
"""Characters of a title; page titles rarely exceed 100."""

URL_CHARS = 2_000
"""Characters of an address: what browsers, servers and search engines agree to handle. A longer one would be
wrong if it was cut."""

SNIPPET_CHARS = 2_000
"""Characters of the passage that is shown with a hit."""
