"""The pages of the real world: countries, cities, airports, elements and public holidays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.months import MONTHS
from deepeyes_env.tasks.worlds.real.facts import YEAR, Airport, City, Country, Element, the_facts
from deepeyes_env.tasks.worlds.real.public_holidays import Holiday

ADDRESS = "https://almanac.example/"
"""Pages live below a name that RFC 2606 reserves, so that no address can exist."""


def write_pages() -> tuple[Page, ...]:
    """Every page; about 16,000."""
    facts = the_facts()
    return (
        *map(_country_page, facts.countries.values()),
        *map(_city_page, facts.cities),
        *map(_airport_page, facts.airports),
        *map(_element_page, facts.elements),
        *(
            page
            for code, holidays in facts.holidays.items()
            for page in _holiday_pages(facts.countries[code], holidays)
        ),
    )


def hours(minutes: int) -> str:
    """Minutes ahead of UTC as `UTC+05:30`."""
    sign, (whole, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    return f"UTC{sign}{whole:02d}:{rest:02d}"


def _page(kind: str, name: str, title: str, body: str) -> Page:
    return Page(title, f"{ADDRESS}{kind}/{name.replace(' ', '_')}", body)


def _country_page(one: Country) -> Page:
    capital = f" Its capital is {one.capital}." if one.capital else ""
    body = (
        f"{one.name} (ISO code {one.code}) is a country or territory of {one.population:,} inhabitants on "
        f"{one.area:,.0f} square kilometres.{capital} Its currency is the {one.currency}."
    )
    return _page("country", one.code, one.name, body)


def _city_page(one: City) -> Page:
    body = (
        f"{one.name} is a city in {one.country} of {one.population:,} inhabitants. It lies at latitude "
        f"{one.latitude:.4f} and longitude {one.longitude:.4f}. Its time zone is {one.zone}: in January "
        f"{YEAR} its clocks show {hours(one.winter)}, in July {YEAR} they show {hours(one.summer)}."
    )
    return _page("city", f"{one.country}/{one.name}", f"{one.name}, {one.country}", body)


def _airport_page(one: Airport) -> Page:
    body = (
        f"{one.name} (IATA code {one.code}, ICAO code {one.icao}) serves {one.city or 'its region'} in "
        f"{one.country}. Its reference point lies at latitude {one.latitude:.5f} and longitude "
        f"{one.longitude:.5f}, {one.elevation:,} feet above the sea."
    )
    return _page("airport", one.code, f"{one.name} ({one.code})", body)


def _element_page(one: Element) -> Page:
    density = "" if one.density is None else f" Its density is {one.density:g} g/cm3."
    year = "" if one.year is None else f" It was discovered in {one.year}."
    # Not mendeleev's own descriptions: nobody says where they are from, and some name another year.
    body = (
        f"{one.name} (symbol {one.symbol}) is the chemical element with atomic number {one.number}. Its "
        f"standard atomic weight is {one.weight:g} and its CAS number {one.cas}.{density}{year} "
        f"Discoverers: {one.discoverers.rstrip('.')}."
    )
    return _page("element", one.symbol, one.name, body)


def _holiday_pages(country: Country, holidays: Sequence[Holiday]) -> Iterator[Page]:
    """One page a year."""
    for year, of_year in groupby(holidays, key=lambda one: one.day.year):
        # A hit shows the sentences with most of a query's words. Each of these says whose holidays it
        # lists, so that the month decides.
        months = [
            f"Holidays of {country.name} in {MONTHS[month - 1]}: {'; '.join(map(_on_day, of_month))}."
            for month, of_month in groupby(of_year, key=lambda one: one.day.month)
        ]
        body = f"Those that are kept nationwide and every year. {' '.join(months)}"
        title = f"Public holidays in {country.name} in {year}"
        yield _page("holidays", f"{country.code}/{year}", title, body)


def _on_day(one: Holiday) -> str:
    return f"{one.name} on {one.day.day} {MONTHS[one.day.month - 1]}"
