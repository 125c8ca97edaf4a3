"""Search: a question to which the right answer may be that no record holds it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Skill, Task
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.answers import answer_for
from deepeyes_env.tasks.worlds.fictional.facts import NOT_RECORDED, Thing, facts_of, key_of
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.search.emblem_fact import photograph_emblem
from deepeyes_env.tasks.worlds.search.museum_piece import photograph_exhibit
from deepeyes_env.tasks.worlds.search.picture_fact import SHADE, identify_and_look_up
from deepeyes_env.tasks.worlds.search.portrait_fact import photograph_portrait
from deepeyes_env.tasks.worlds.search.specimen_fact import photograph_specimen

HINT = "If the sources say that nobody knows, say that it cannot be determined."


@dataclass(frozen=True, slots=True)
class Asked:
    """A fact that some pages say is lost.

    Attributes:
        question: Asks for it.
        things: What it is a fact of.
        photograph: Draws such a thing.
    """

    question: str
    things: Callable[[World], Sequence[Thing]]
    photograph: Callable[[Any, float, random.Random], EncodedImage]


ASKED = {
    "burial": Asked(
        "In which town does the person in this portrait lie buried?",
        lambda world: world.people,
        photograph_portrait,
    ),
    "closed": Asked(
        "In which year did the works of the company with this emblem close?",
        lambda world: world.companies,
        photograph_emblem,
    ),
    "altitude": Asked(
        "At what altitude, in metres, was the highest find of the species on this plate made?",
        lambda world: world.species,
        photograph_specimen,
    ),
    "weight": Asked(
        "How many grams does this vessel weigh?", lambda world: world.artefacts, photograph_exhibit
    ),
}
"""Fact -> how it is asked for."""


class NoRecord:
    """In which town does the person in this portrait lie buried?"""

    name = "no-record"
    skills = frozenset({Skill.SEARCH})
    tools = frozenset({"image_search", "search"})
    knobs: Mapping[str, Knob] = {
        "lost": Knob(0.05, 0.13, "share of questions whose answer no record holds"),
        "shade": SHADE,
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A thing, and a fact that its page gives or says is lost."""
        fact = rng.choice(list(ASKED))
        is_lost = rng.random() < knobs["lost"]
        return _plan(world, _any(rng, world, fact, is_lost), fact, knobs)

    def oracle(self, task: Task) -> Oracle:
        """Search by image, then by the name that was found; the page itself may say that nobody knows."""
        return identify_and_look_up(task)


def _any(rng: random.Random, world: World, fact: str, is_lost: bool) -> Thing:
    things = ASKED[fact].things(world)
    while True:
        thing = rng.choice(things)
        if (facts_of(thing)[fact] == NOT_RECORDED) == is_lost:
            return thing


def _plan(world: World, thing: Thing, fact: str, knobs: Knobs) -> Plan:
    value = facts_of(thing)[fact]

    def twin(rng: random.Random) -> Plan:
        # The twin of a lost fact is one that a record holds; the other way round it may be either, lost no
        # more often than among the tasks: else who always says so would be right about a quarter of both.
        is_lost = value != NOT_RECORDED and rng.random() < knobs["lost"]
        return _plan(world, _any(rng, world, fact, is_lost), fact, knobs)

    return Plan(
        key=key_of(thing),
        question=f"{HINT} {ASKED[fact].question}",
        answer=answer_for(fact, value),
        draw=lambda rng: (ASKED[fact].photograph(thing, knobs["shade"], rng),),
        twin=twin,
        metadata={"subject": thing.name, "fact": fact},
    )


NO_RECORD = NoRecord()
