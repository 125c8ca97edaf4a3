"""Families that need a calculation over what the picture shows."""

FAMILIES: dict[str, str] = {
    "bar-chart": "bar_chart:BAR_CHART",
    "line-chart": "line_chart:LINE_CHART",
    "scatter-plot": "scatter_plot:SCATTER_PLOT",
    "pie-chart": "pie_chart:PIE_CHART",
    "stacked-bars": "stacked_bars:STACKED_BARS",
    "maze": "maze:MAZE",
    "receipt": "receipt:RECEIPT",
    "timetable": "timetable:TIMETABLE",
    "land-survey": "land_survey:LAND_SURVEY",
    "jigsaw": "jigsaw:JIGSAW",
    "map-route": "map_route:MAP_ROUTE",
}
"""Name -> `module:attribute` in this package, in the order of turns."""
