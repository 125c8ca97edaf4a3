"""Families that need all three: eyes, a calculation, and a fact from the pages."""

FAMILIES: dict[str, str] = {
    "market-stalls": "market_stalls:MARKET_STALLS",
    "enamel-plate": "enamel_plate:ENAMEL_PLATE",
    "pinned-towns": "pinned_towns:PINNED_TOWNS",
    "chart-per-head": "chart_per_head:CHART_PER_HEAD",
    "dated-note": "dated_note:DATED_NOTE",
    "street-emblems": "street_emblems:STREET_EMBLEMS",
    "stranger-emblem": "stranger_emblem:STRANGER_EMBLEM",
    "portrait-gallery": "gallery_wall:PORTRAIT_GALLERY",
    "museum-wall": "gallery_wall:MUSEUM_WALL",
    "specimen-scale": "specimen_scale:SPECIMEN_SCALE",
}
"""Name -> `module:attribute` in this package, in the order of turns."""
