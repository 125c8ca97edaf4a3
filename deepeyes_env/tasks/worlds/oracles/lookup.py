"""How oracles get a fact out of the pages that search showed them."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import TYPE_CHECKING

from deepeyes_env.tasks.worlds.oracles import turns

if TYPE_CHECKING:
    from deepeyes_env.episode import Observation

NAME = r"((?:[A-Z][a-z]+ ?)+)"

FACTS = {
    "founded": r"founded(?: the company)? in (\d{4})|founded by [A-Za-z ]+? in (\d{4})",
    "founder": rf"(?:founded by {NAME}(?: in|\.)|\. {NAME}founded the company)| by {NAME}\.",
    "town": rf"maker of [a-z ]+ in {NAME},",
    "workers": r"it employed (\d+) workers",
    "birthplace": rf"born in {NAME}(?: in|\.)",
    "river": r"on the river ([A-Z][a-z]+)",
}
"""Fact -> how the encyclopaedia words it; the first group that matches is the fact."""


def fact(page: str, name: str) -> str | None:
    """The fact called `name` in a page's text, or None when the text does not hold it."""
    found = re.search(FACTS[name], page)
    return None if found is None else next(group for group in found.groups() if group).strip()


def look_up(subject: str, name: str) -> Generator[str, Observation, str | None]:
    """Search for a subject and read one of its facts.

    Args:
        subject: Title of its page.
        name: A key of `FACTS`.

    Returns:
        The fact, or None when the search did not show it.
    """
    seen = yield turns.search(f"I have to look up {subject}: {name}.", f"{subject} {name}")
    return fact(turns.passages(seen).get(subject, ""), name)


def identify() -> Generator[str, Observation, str | None]:
    """Search by the question's image.

    Returns:
        The company whose emblem looks most like it, or None when nothing was found.
    """
    seen = yield turns.image_search("I do not know this emblem. An image search may find it.")
    titles = [title.removeprefix("Emblem of ") for title in turns.picture_titles(seen)]
    return titles[0] if titles else None
