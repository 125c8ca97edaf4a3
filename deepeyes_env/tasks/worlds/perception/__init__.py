"""Families that need eyes: the answer is in the picture, and small, hidden or spoilt."""

FAMILIES: dict[str, str] = {
    "closer-look": "cards:CLOSER_LOOK",
    "at-a-glance": "cards:AT_A_GLANCE",
    "house-number": "house_number:HOUSE_NUMBER",
    "count-shapes": "count_shapes:COUNT_SHAPES",
    "harbour-number": "harbour_number:HARBOUR_NUMBER",
    "ducks-on-a-pond": "ducks_on_a_pond:DUCKS_ON_A_POND",
    "spoilt-label": "spoilt_label:SPOILT_LABEL",
    "most-rings": "most_rings:MOST_RINGS",
    "price-tag": "price_tag:PRICE_TAG",
    "colour-match": "colour_match:COLOUR_MATCH",
    "longest-fish": "longest_fish:LONGEST_FISH",
    "spot-the-change": "spot_the_change:SPOT_THE_CHANGE",
}
"""Name -> `module:attribute` in this package, in the order of turns."""
