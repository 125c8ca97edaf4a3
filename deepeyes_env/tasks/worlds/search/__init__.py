"""Families that need a fact which only the pages hold."""

FAMILIES: dict[str, str] = {
    "emblem-fact": "emblem_fact:EMBLEM_FACT",
    "founder-trail": "founder_trail:FOUNDER_TRAIL",
}
"""Name -> `module:attribute` in this package, in the order of turns."""
