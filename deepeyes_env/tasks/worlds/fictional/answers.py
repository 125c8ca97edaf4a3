"""Reference answers for facts: units, and the other wordings that a person would accept."""

from __future__ import annotations

from deepeyes_env.task import Answer
from deepeyes_env.tasks.worlds.fictional.dates import read
from deepeyes_env.tasks.worlds.fictional.facts import NOT_RECORDED
from deepeyes_env.tasks.worlds.fictional.species import PLURALS

UNITS = {
    "elevation": "m",
    "landmark_height": "m",
    "altitude": "m",
    "east": "km",
    "north": "km",
    "size": "mm",
    "height": "mm",
    "weight": "g",
    "weighed": "g",
    "price": "crowns",
    "cost": "pence",
    "population": "inhabitants",
    "workers": "workers",
}
"""Fact -> its unit, which an answer may leave out."""

PEOPLE = frozenset({"teacher", "described_by", "maker"})
"""Facts that are people; the family name alone is right too. Not a founder's: companies bear it, so that
their own name would answer the question."""

NO_RECORD = (
    "unanswerable",
    "cannot be determined",
    "it cannot be determined",
    "can not be determined",
    "not known",
    "it is not known",
    "it is not recorded",
    "unrecorded",
    "not on record",
    "no record",
    "there is no record",
)
"""Other ways to say that no record holds a fact. Plain `unknown` is not among them: it may mean that nothing
was found, and here something was: the sentence that says so."""


def answer_for(fact: str, value: str) -> Answer:
    """The reference answer to a question for a fact.

    Args:
        fact: A key of `oracles.lookup.FACTS`.
        value: As `facts_of` gives it.
    """
    if value == NOT_RECORDED:
        return Answer(value, aliases=NO_RECORD)
    if fact in PEOPLE:
        return Answer(value, aliases=(value.split()[-1],))
    if fact.endswith("_on"):
        day = read(value)
        month = value.split()[1]
        return Answer(value, aliases=(f"{month} {day.day}, {day.year}", day.isoformat()))
    if fact == "river":
        return Answer(value, aliases=(f"river {value}", f"{value} river"))
    if fact == "counted":
        return Answer(value, aliases=tuple(f"{value} {noun}" for noun in (*PLURALS.values(), "specimens")))
    return Answer(value, unit=UNITS.get(fact))
