"""Families that need eyes: the answer is in the picture, and small, hidden or spoilt."""

FAMILIES: dict[str, str] = {
    "closer-look": "cards:CLOSER_LOOK",
    "at-a-glance": "cards:AT_A_GLANCE",
    "house-number": "house_number:HOUSE_NUMBER",
    "count-shapes": "count_shapes:COUNT_SHAPES",
    "harbour-number": "harbour_number:HARBOUR_NUMBER",
    "most-rings": "most_rings:MOST_RINGS",
    "price-tag": "price_tag:PRICE_TAG",
}
"""Name -> `module:attribute` in this package, in the order of turns."""
