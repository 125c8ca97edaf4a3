"""Families that need all three: eyes, a calculation, and a fact from the pages."""

FAMILIES: dict[str, str] = {
    "market-stalls": "market_stalls:MARKET_STALLS",
    "enamel-plate": "enamel_plate:ENAMEL_PLATE",
}
"""Name -> `module:attribute` in this package, in the order of turns."""
