"""The real world: facts and photographs from well-kept packages with permissive licences (`[real]`)."""

FAMILIES: dict[str, str] = {
    "element-tile": "element_tile:ELEMENT_TILE",
    "rainfall-chart": "rainfall_chart:RAINFALL_CHART",
    "arrivals-board": "arrivals_board:ARRIVALS_BOARD",
    "night-lights": "night_lights:NIGHT_LIGHTS",
    "boarding-pass": "boarding_pass:BOARDING_PASS",
    "reagent-bottle": "reagent_bottle:REAGENT_BOTTLE",
    "wall-calendar": "wall_calendar:WALL_CALENDAR",
}
"""Name -> `module:attribute` in this package, in the order of turns."""
