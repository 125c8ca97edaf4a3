"""Most characters of what a hit says, wherever it comes from (`search-and-benchmarks` A.4)."""

from __future__ import annotations

TITLE_CHARS = 300
"""Of a title; page titles rarely exceed 100."""

URL_CHARS = 2_000
"""Of an address: what browsers, servers and search engines agree to handle. A longer one would be wrong if it
was cut."""

SNIPPET_CHARS = 2_000
"""Of the passage that is shown with a hit."""
