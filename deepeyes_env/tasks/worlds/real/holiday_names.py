"""Other wordings of a holiday's name that a person would let pass."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from deepeyes_env.tasks.worlds.real.public_holidays import Holiday

SYNONYMS = (
    ("New Year's Day", "New Year", "New Year's"),
    ("Epiphany", "Three Kings Day", "Three Kings' Day"),
    ("Maundy Thursday", "Holy Thursday"),
    ("Holy Saturday", "Easter Saturday", "Black Saturday"),
    ("Easter Sunday", "Easter", "Easter Day"),
    ("Ascension Day", "Ascension", "Ascension Thursday", "Feast of the Ascension"),
    ("Pentecost", "Pentecost Sunday", "Whit Sunday", "Whitsunday", "Whitsun"),
    ("Pentecost Monday", "Whit Monday"),
    ("Corpus Christi", "Corpus Domini", "Feast of Corpus Christi"),
    (
        "Assumption Day", "Assumption", "Assumption of Mary", "Assumption of Mary Day",
        "Feast of the Assumption", "Dormition of the Mother of God",
    ),
    ("Immaculate Conception", "Immaculate Conception Day", "Feast of the Immaculate Conception"),
    ("Saint Peter and Saint Paul's Day", "Saints Peter and Paul Day", "Feast of Saint Peter and Saint Paul"),
    ("Saint Joseph's Day", "Feast of Saint Joseph"),
    ("Christmas Day", "Christmas"),
    (
        "Second Day of Christmas", "Second Christmas Day", "Christmas Second Day", "Boxing Day",
        "Saint Stephen's Day", "Day After Christmas", "Day following Christmas",
    ),
    ("Eid al-Fitr", "Eid ul-Fitr", "Eid-ul-Fitr", "Id-ul-Fitr"),
    ("Eid al-Adha", "Eid ul-Adha", "Eid-ul-Adha", "Id-ul-Adha"),
    (
        "Prophet's Birthday", "Prophet Muhammad's Birthday", "Birthday of the Prophet", "Mawlid",
        "Mawlid al-Nabi", "Milad un-Nabi",
    ),
    ("Islamic New Year", "Islamic New Year Day", "Hijri New Year", "Muharram"),
    ("Vesak Day", "Wesak Day", "Vesak", "Buddha's Birthday", "Buddha Purnima", "Buddha Jayanti"),
    ("Diwali", "Deepavali"),
    ("Chinese New Year", "Chinese New Year's Day", "Spring Festival", "Lunar New Year", "Tet"),
    ("Korean New Year", "Seollal"),
    ("Tomb-Sweeping Day", "Qingming", "Qingming Festival"),
    ("Mid-Autumn Festival", "Moon Festival"),
    ("Nowruz", "Nooruz", "Nauryz"),
    ("Midsummer Eve", "Midsummer's Eve"),
    ("Thanksgiving Day", "Thanksgiving"),
    ("Martin Luther King Jr. Day", "Martin Luther King Day", "MLK Day"),
    ("Washington's Birthday", "Presidents' Day"),
    ("Ohi Day", "Ochi Day", "Oxi Day"),
    ("Carnival Monday", "Shrove Monday"),
    ("Carnival Tuesday", "Shrove Tuesday", "Fat Tuesday", "Mardi Gras"),
    ("Green Monday", "Clean Monday"),
)  # fmt: skip
"""Names of the same day."""

LABOUR = (
    "Labor Day", "May Day", "Workers' Day", "Worker's Day", "International Labor Day",
    "International Workers' Day", "International Worker's Day", "National Labor Day",
)  # fmt: skip
"""Names of the first of May; on another day they are different holidays."""

BRITISH = (("Labor", "Labour"), ("Defense", "Defence"))
"""American and British spellings; the package has both."""

SPELLINGS = (
    *BRITISH,
    ("Saint ", "St. "),
    ("Saint ", "St "),
    (" and ", " & "),
    ("-", " "),
    ("'", ""),
)
"""What is written otherwise elsewhere, and how."""


def wordings(holiday: Holiday) -> tuple[str, ...]:
    """The name as the pages have it, then all others."""
    return _wordings(holiday.name, (holiday.day.day, holiday.day.month) == (1, 5))


def same(first: Holiday, second: Holiday) -> bool:
    """Whether some wording would pass for both."""
    one, other = ({text.casefold() for text in wordings(each)} for each in (first, second))
    return not one.isdisjoint(other)


_HOLIDAY = re.compile("(?<! Bank)(?<!National)(?<!Cultural) Holiday$")
"""The word at a name's end where the name does without it: an adjective needs it, and so does `Bank`."""


@lru_cache(maxsize=4096)
def _wordings(name: str, is_may_day: bool) -> tuple[str, ...]:
    short = re.sub(r" \([^)]*\)", "", name)
    names = [name, short, _HOLIDAY.sub("", short), *_parts(short)]
    # Before the synonyms, which are in American spelling.
    for american, british in BRITISH:
        names += [text.replace(british, american) for text in names if british in text]
    groups = (*SYNONYMS, LABOUR) if is_may_day else SYNONYMS
    names += [other for group in groups if not set(names).isdisjoint(group) for other in group]
    for usual, other in SPELLINGS:
        names += [text.replace(usual, other) for text in names if usual in text]
    names += [_without_accents(text) for text in names]
    return tuple(dict.fromkeys(names))


def _parts(name: str) -> list[str]:
    """The names that a slash joins; they share a `Day` at the end."""
    parts = [part.strip() for part in name.split("/")]
    return [part if part.endswith(" Day") or not name.endswith(" Day") else f"{part} Day" for part in parts]


def _without_accents(text: str) -> str:
    apart = unicodedata.normalize("NFD", text)
    return "".join(character for character in apart if not unicodedata.combining(character))
