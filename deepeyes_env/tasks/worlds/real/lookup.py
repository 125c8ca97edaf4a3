"""How the real world's oracles get a fact out of its pages."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import TYPE_CHECKING

from deepeyes_env.tasks.worlds.oracles import turns

if TYPE_CHECKING:
    from deepeyes_env.episode import Observation

FACTS = {
    "country": r"is a city in (.+?) of [\d,]+ inhabitants",
    "population": r"of ([\d,]+) inhabitants",
    "latitude": r"latitude (-?[\d.]+)",
    "longitude": r"longitude (-?[\d.]+)",
    "winter": r"in January \d+ its clocks show UTC([+-]\d+:\d+)",
    "summer": r"in July \d+ they show UTC([+-]\d+:\d+)",
    "weight": r"atomic weight is ([\d.]+)",
    "cas": r"CAS number ([\d-]+)",
    "density": r"density is ([\d.e-]+) g/cm3",
    "year": r"discovered in (\d+)",
}
"""Fact -> how a page words it."""


def look_up(query: str, marker: str, *names: str) -> Generator[str, Observation, tuple[str, ...] | None]:
    """Search, and read facts of the first page that holds a marker.

    Args:
        query: What to search for.
        marker: Words that only the right page has.
        names: Keys of `FACTS`.

    Returns:
        The facts, or None when no page was shown that holds the marker and all of them.
    """
    seen = yield turns.search(f"I have to look up: {query}.", query)
    for title, text in turns.passages(seen).items():
        found = [re.search(FACTS[name], text) for name in names]
        if marker in f"{title} {text}" and all(found):
            return tuple(match[1].rstrip(".") for match in found if match)
    return None
