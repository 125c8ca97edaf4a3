"""Families that need all three: eyes, a calculation, and a fact from the pages."""

FAMILIES: dict[str, str] = {
    "market-stalls": "market_stalls:MARKET_STALLS",
    "enamel-plate": "enamel_plate:ENAMEL_PLATE",
    "pinned-towns": "pinned_towns:PINNED_TOWNS",
    "chart-per-head": "chart_per_head:CHART_PER_HEAD",
    "dated-note": "dated_note:DATED_NOTE",
}
"""Name -> `module:attribute` in this package, in the order of turns."""
