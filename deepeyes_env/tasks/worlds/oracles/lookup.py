"""How oracles get a fact out of the pages that search showed them."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepeyes_env.tasks.worlds.oracles import turns

if TYPE_CHECKING:
    from deepeyes_env.episode import Observation

NAME = r"([A-Z][a-z]+(?: [A-Z][a-z]+)*)"
DAY = r"\d{1,2} [A-Z][a-z]+ \d{4}"
DATE = r"(\d{1,2} [A-Z][a-z]+ \d{4})"
YEAR_OF_DATE = r"\d{1,2} [A-Z][a-z]+ (\d{4})"
NUMBER = r"(\d[\d,]*)"


@dataclass(frozen=True, slots=True)
class Wording:
    """How the encyclopaedia words a fact.

    Attributes:
        words: Words of the sentences that hold it: what to search for beside the subject's name.
        pattern: A regular expression; the first group that matches is the fact.
    """

    words: str
    pattern: str


def _dated(words: str, pattern: str) -> tuple[Wording, Wording]:
    """The year, and the full date, of what `pattern` words around a `{}`."""
    return Wording(words, pattern.replace("{}", YEAR_OF_DATE)), Wording(words, pattern.replace("{}", DATE))


_BORN = _dated("born", rf"[Bb]orn in {NAME.replace('(', '(?:', 1)} on {{}}|\({{}} –".replace("{{}}", "{}"))
_DIED = _dated("died", r"died on {}")
_FOUNDED = _dated(
    "founded company",
    r"founded(?: the company)? on {}|founded by [A-Z][A-Za-z ]+? on {}|[Oo]n {} it was founded".replace(
        "{{}}", "{}"
    ),
)
_CHARTERED = _dated("charter granted received", r"charter (?:was granted on|on|bears the date of) {}")
_OPENED = _dated("high opened", r"m high(?: and|,) was opened on {}")
_ACQUIRED = _dated("museum bought", r"bought (?:it )?on {}")
_LAUNCHED = _dated("first sold", r"(?:It was first|first one was) sold on {}")

FACTS: dict[str, Wording] = {
    "region": Wording("town region river", rf"town in {NAME}(?: on|,)"),
    "river": Wording("town river", r"on the river ([A-Z][a-z]+)"),
    "elevation": Wording("above sea", r"(\d+) m above sea"),
    "population": Wording("census inhabitants", rf"{NUMBER} inhabitants"),
    "chartered": _CHARTERED[0],
    "chartered_on": _CHARTERED[1],
    "landmark_height": Wording("high opened", r"(\d+) m high"),
    "landmark_opened": _OPENED[0],
    "landmark_opened_on": _OPENED[1],
    "east": Wording("map lies km east north", r"lies (\d+) km east"),
    "north": Wording("map lies km east north", r"(\d+) km north"),
    "birthplace": Wording("born", rf"[Bb]orn in {NAME}(?: on|\.)"),
    "profession": Wording("born", r"(?:was|became) an? ([a-z]+)"),
    "born": _BORN[0],
    "born_on": _BORN[1],
    "died": _DIED[0],
    "died_on": _DIED[1],
    "sibling": Wording(
        "brother sister",
        rf"(?:[Hh]is|[Hh]er) (?:brother|sister) {NAME}|{NAME}, (?:his|her) (?:brother|sister)",
    ),
    "teacher": Wording(
        "learned trade pupil taught", rf"(?:learned the trade from|pupil of) {NAME}|{NAME} taught"
    ),
    "burial": Wording(
        "buried burial grave",
        rf"(?:is buried in|grave lies in) {NAME}|(?:burial|is buried) is (not recorded)",
    ),
    "founded": _FOUNDED[0],
    "founded_on": _FOUNDED[1],
    "founder": Wording(
        "founded company", rf"founded (?:on {DAY} |in a rented shed )?by {NAME}|{NAME} founded the company"
    ),
    "town": Wording(
        "maker made", rf"maker of [a-z ]+ in {NAME},| of {NAME}, {NAME.replace('(', '(?:', 1)}, made"
    ),
    "workers": Wording("employed workers books", r"(\d+) workers"),
    "rival": Wording("rival competed", rf"(?:great rival was|competed with) {NAME}"),
    "closed": Wording(
        "works closed doors", r"closed(?: its doors)? in (\d{4})|works closed is (not recorded)"
    ),
    "common": Wording("described", r", the ([A-Z][a-z]+ [A-Z][a-z]+), is a"),
    "described_by": Wording("first described", rf"described (?:in \d{{4}} )?by {NAME}"),
    "described": Wording("first described", r"described by [A-Za-z ]+ in (\d{4})|described in (\d{4})"),
    "found_near": Wording("first found near specimens", rf"found near {NAME}(?: in|\.)"),
    "size": Wording("span mm", r"span (\d+) mm"),
    "counted": Wording("survey counted", rf"survey counted {NUMBER}"),
    "altitude": Wording(
        "highest find altitude", r"altitude of (\d+) m|highest find (?:was made )?is (not recorded)"
    ),
    "maker": Wording("made", rf"made (?:in \d{{4}} )?by {NAME}"),
    "made": Wording("made", r"made by [A-Za-z ]+ in (\d{4})|made in (\d{4})"),
    "acquired": _ACQUIRED[0],
    "acquired_on": _ACQUIRED[1],
    "price": Wording(
        "museum bought paid crowns", rf"bought it on {DAY} for {NUMBER} crowns|paid {NUMBER} crowns"
    ),
    "museum": Wording("museum bought", rf"museum of {NAME}(?: bought|, which)"),
    "height": Wording("high mm", r"(\d+) mm high"),
    "inventory": Wording("inventory number", r"inventory number is ([A-Z]{2} \d{4})"),
    "weight": Wording("weighs weight", rf"weighs {NUMBER} g|(?:weight|weighs) is (not recorded)"),
    "company": Wording("made", rf"made by {NAME}"),
    "launched": _LAUNCHED[0],
    "launched_on": _LAUNCHED[1],
    "cost": Wording("cost pence first", r"cost (\d+) pence"),
    "weighed": Wording("weighed", rf"weighed {NUMBER} g"),
}
"""Fact -> how the encyclopaedia words it."""


def fact(page: str, name: str) -> str | None:
    """The fact called `name` in a page's text, numbers without commas, or None where it is not there."""
    found = re.search(FACTS[name].pattern, page)
    if found is None:
        return None
    value = next(group for group in found.groups() if group)
    return value.replace(",", "") if value[0].isdigit() else value


def look_up(subject: str, name: str) -> Generator[str, Observation, str | None]:
    """Search for a subject and read one of its facts.

    Args:
        subject: Title of its page.
        name: A key of `FACTS`.

    Returns:
        The fact, or None when the search did not show it.
    """
    seen = yield turns.search(
        f"I have to look up {subject}: {name.replace('_', ' ')}.", f"{subject} {FACTS[name].words}"
    )
    return fact(turns.passages(seen).get(subject, ""), name)


def follow(subject: str, steps: Sequence[str]) -> Generator[str, Observation, str | None]:
    """Search once for each step of a trail: each step is a fact of what the step before it named.

    Args:
        subject: Title of the page on which the trail begins.
        steps: Keys of `FACTS`.

    Returns:
        The last fact, or None when a search did not show one.
    """
    found: str | None = subject
    for step in steps:
        if found is not None:
            found = yield from look_up(found, step)
    return found


def identify() -> Generator[str, Observation, str | None]:
    """Search by the question's image.

    Returns:
        What the picture shows that looks most like it (for an emblem, its company), or None when nothing was
        found.
    """
    seen = yield turns.image_search("I do not know what this is. An image search may find it.")
    titles = [title.removeprefix("Emblem of ") for title in turns.picture_titles(seen)]
    return titles[0] if titles else None
