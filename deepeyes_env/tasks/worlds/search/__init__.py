"""Families that need a fact which only the pages hold."""

FAMILIES: dict[str, str] = {
    "emblem-fact": "emblem_fact:EMBLEM_FACT",
    "founder-trail": "founder_trail:FOUNDER_TRAIL",
    "portrait-fact": "portrait_fact:PORTRAIT_FACT",
    "specimen-fact": "specimen_fact:SPECIMEN_FACT",
    "museum-piece": "museum_piece:MUSEUM_PIECE",
    "emblem-trail": "emblem_trail:EMBLEM_TRAIL",
    "days-between": "days_between:DAYS_BETWEEN",
    "delivery-note": "delivery_note:DELIVERY_NOTE",
    "paper-trail": "paper_trail:PAPER_TRAIL",
    "no-record": "no_record:NO_RECORD",
}
"""Name -> `module:attribute` in this package, in the order of turns."""
