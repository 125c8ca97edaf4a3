"""Numbers with units and tolerance, compared exactly as fractions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from deepeyes_env.rewards.normalise import normalise

# fmt: off
_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)
_UNITS = {
    "percent": "%", "degree": "°", "degrees": "°",
    "meter": "m", "meters": "m", "metre": "m", "metres": "m",
    "centimeter": "cm", "centimeters": "cm", "centimetre": "cm", "centimetres": "cm",
    "millimeter": "mm", "millimeters": "mm", "millimetre": "mm", "millimetres": "mm",
    "kilometer": "km", "kilometers": "km", "kilometre": "km", "kilometres": "km",
    "kilogram": "kg", "kilograms": "kg", "gram": "g", "grams": "g",
    "squaremeter": "m2", "squaremeters": "m2", "squaremetre": "m2", "squaremetres": "m2", "sqm": "m2",
    "second": "s", "seconds": "s", "minute": "min", "minutes": "min", "hour": "h", "hours": "h",
    "days": "day", "years": "year", "people": "inhabitants",
}
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
# fmt: on
_LATEX_UNIT = re.compile(r"(?:\\[,;:! ]|~|\s)*\\(?:text|mathrm)\{\s*([^{}]*)\}$")
_NUMBER = re.compile(
    r"(?P<prefix>[$€£¥]\s?)?"
    r"(?P<sign>[+-]?)\s?(?P<whole>\d{1,3}(?:,\d{3})+|\d{1,40})?(?P<decimals>\.\d{1,40})?"
    r"(?:e(?P<power>[+-]?\d{1,2}))?"
    r"(?:\s?/\s?(?P<denominator>\d{1,40}))?"
    r"(?:\s?(?P<unit>(?:%|°|[^\W\d_]).*))?",
    re.ASCII | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number and its normalised unit (empty when there is none)."""

    value: Fraction
    unit: str


def parse_quantity(text: str) -> Quantity | None:
    """Read a text that is one number and nothing else but a unit.

    Args:
        text: An answer.

    Returns:
        The quantity, or None for anything else; also for codes with leading zeros ("007"): they are names.
    """
    text = _LATEX_UNIT.sub(r" \1", normalise(text))
    if text in _WORDS:
        return Quantity(Fraction(_WORDS.index(text)), "")
    match = _NUMBER.fullmatch(text)
    if not match or not (match["whole"] or match["decimals"]):
        return None
    whole = (match["whole"] or "0").replace(",", "")
    if len(whole) > 1 and whole.startswith("0"):
        return None
    value = Fraction(f"{match['sign']}{whole}{match['decimals'] or ''}")
    value *= Fraction(10) ** int(match["power"] or 0)
    if match["denominator"]:
        if not int(match["denominator"]):
            return None
        value /= int(match["denominator"])
    scale, unit = _split_scale(match["unit"] or "")
    if unit and match["prefix"]:
        return None
    return Quantity(value * scale, normalise_unit(unit or match["prefix"] or ""))


_POWERS = str.maketrans({"²": "2", "³": "3", "^": None})


def normalise_unit(unit: str) -> str:
    """A unit without case and white space; common names become their signs, `m²` and `m^2` become `m2`."""
    folded = "".join(unit.casefold().split()).rstrip(".").translate(_POWERS)
    return _UNITS.get(folded, folded)


def _split_scale(unit: str) -> tuple[int, str]:
    """`million km` is a factor and a unit."""
    word, _, rest = unit.strip().partition(" ")
    return (_SCALES[word], rest) if word in _SCALES else (1, unit)


def close_enough(value: Fraction, reference: Fraction, tolerance: float) -> bool:
    """Whether the relative error is at most `tolerance`; exact equality where that is 0."""
    return abs(value - reference) <= Fraction(tolerance) * abs(reference)
