"""Towns: where things happened, on which river, how high above the sea."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date

from deepeyes_env.tasks.worlds.fictional import names
from deepeyes_env.tasks.worlds.fictional.dates import day_in

TOWNS = 48

REGION_SIDE = 100
"""Kilometres that a region's map covers in either direction."""

APART = 13
"""Kilometres between two towns of a region at least, so that a map's labels have room."""


@dataclass(frozen=True, slots=True)
class Town:
    """A town.

    Attributes:
        name: Unique.
        region: One of `names.REGIONS`.
        river: The river it lies on.
        chartered_on: Day of its charter.
        population: Inhabitants.
        elevation: Metres above the sea.
        landmark: Its tower.
        landmark_height: Its tower's height in metres.
        landmark_opened_on: The day on which the tower was opened.
        east: Kilometres east of the western edge of its region's map.
        north: Kilometres north of the southern edge of its region's map.
    """

    name: str
    region: str
    river: str
    chartered_on: date
    population: int
    elevation: int
    landmark: str
    landmark_height: int
    landmark_opened_on: date
    east: int
    north: int

    @property
    def chartered(self) -> int:
        """Year of its charter."""
        return self.chartered_on.year

    @property
    def landmark_opened(self) -> int:
        """Year in which its tower was opened."""
        return self.landmark_opened_on.year


def found_towns(rng: random.Random) -> tuple[Town, ...]:
    """All towns; eight of them share most of their name with another."""
    plain = names.distinct(TOWNS - 8, lambda: names.town(rng))
    doubles = [f"{rng.choice(('Upper', 'Nether', 'Old'))} {name}" for name in rng.sample(plain, 8)]
    rivers = {region: rng.sample(names.RIVER_STEMS, 3) for region in names.REGIONS}
    towns: list[Town] = []
    for place, name in enumerate([*plain, *doubles]):
        # Regions in turn: each has six towns, so that every map is worth looking at.
        region = names.REGIONS[place % len(names.REGIONS)]
        taken = [(town.east, town.north) for town in towns if town.region == region]
        east, north = _free_place(rng, taken)
        # Each river has a third of the map, so that rivers run side by side and never cross.
        river = rivers[region][north * 3 // REGION_SIDE]
        towns.append(_town(rng, name, region, river, (east, north)))
    return tuple(towns)


def _free_place(rng: random.Random, taken: list[tuple[int, int]]) -> tuple[int, int]:
    while True:
        east, north = rng.randint(12, REGION_SIDE - 12), rng.randint(10, REGION_SIDE - 10)
        if all((east - x) ** 2 + (north - y) ** 2 >= APART**2 for x, y in taken):
            return east, north


def _town(rng: random.Random, name: str, region: str, river: str, place: tuple[int, int]) -> Town:
    return Town(
        name=name,
        region=region,
        river=river,
        chartered_on=day_in(rng, rng.randint(1080, 1590)),
        population=rng.randint(21, 980) * 100 + rng.randint(1, 99),
        elevation=rng.randint(2, 640),
        landmark=rng.choice(("Watch Tower", "Lighthouse", "Bell Tower", "Water Tower")),
        landmark_height=rng.randint(23, 118),
        landmark_opened_on=day_in(rng, rng.randint(1610, 1890)),
        east=place[0],
        north=place[1],
    )
