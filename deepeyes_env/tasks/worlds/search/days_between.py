"""Search and reasoning: identify a portrait, look two dates up, and count the days between them."""

from __future__ import annotations

import random
from collections.abc import Mapping

from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.dates import read
from deepeyes_env.tasks.worlds.fictional.facts import key_of
from deepeyes_env.tasks.worlds.fictional.world import Person, World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import lookup, turns
from deepeyes_env.tasks.worlds.search.picture_fact import SHADE
from deepeyes_env.tasks.worlds.search.portrait_fact import photograph_portrait
from deepeyes_env.tasks.worlds.search.trails import Trail, draw_start, end_of

PAIRS: dict[tuple[Trail, Trail], str] = {
    (("born_on",), ("died_on",)): "How many days did the person in this portrait live?",
    (("born_on",), ("teacher", "born_on")): (
        "How many days older than the person in this portrait was the teacher of that person?"
    ),
    (("died_on",), ("sibling", "died_on")): (
        "How many days lie between the death of the person in this portrait and that of the sibling?"
    ),
    (("born_on",), ("birthplace", "landmark_opened_on")): (
        "How many days lie between the birth of the person in this portrait and the opening of the tower in "
        "the town of birth?"
    ),
    (("died_on",), ("teacher", "died_on")): (
        "How many days lie between the death of the person in this portrait and the death of the teacher?"
    ),
    (("teacher", "born_on"), ("birthplace", "landmark_opened_on")): (
        "How many days lie between the birth of the teacher of the person in this portrait and the opening "
        "of the tower in that person's own town of birth?"
    ),
}
"""The facts that lead to both dates -> the question."""


def hops(pair: tuple[Trail, Trail]) -> int:
    """Pages that must be found beside that of the person."""
    return sum(len(trail) - 1 for trail in pair)


class DaysBetween:
    """How many days did the person in this portrait live?"""

    name = "days-between"
    skills = frozenset({Skill.SEARCH, Skill.REASONING})
    tools = frozenset({"image_search", "search", "code"})
    knobs: Mapping[str, Knob] = {
        "hops": Knob(0, 2, "pages to find beside that of the person"),
        "shade": SHADE,
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A person and two days."""
        pair = rng.choice([each for each in PAIRS if hops(each) == knobs["hops"]])
        return _plan(world, draw_start(rng, world, world.people, *pair), pair, knobs["shade"])

    def oracle(self, task: Task) -> Oracle:
        """Search by image, follow both trails, and let the sandbox count the days."""
        person = yield from lookup.identify()
        days = []
        for steps in task.metadata["trails"] if person else ():
            day = yield from lookup.follow(str(person), steps)
            if day is None:
                break
            days.append(read(day))
        if len(days) < 2:
            yield turns.answer("A date is missing.", turns.UNKNOWN)
            return
        first, second = sorted(days)
        seen = yield turns.code(
            "Months and leap years are easily miscounted. Let the calendar do it.",
            f"from datetime import date\nprint(({second!r} - {first!r}).days)".replace(
                "datetime.date(", "date("
            ),
        )
        yield turns.answer("That is the number of days.", turns.printed(seen) or turns.UNKNOWN)


def _plan(world: World, person: Person, pair: tuple[Trail, Trail], shade: float) -> Plan:
    first, second = (read(end_of(world, person, trail)) for trail in pair)
    return Plan(
        key=key_of(person),
        question=PAIRS[pair],
        answer=Answer(str(abs((second - first).days)), unit="days"),
        draw=lambda rng: (photograph_portrait(person, shade, rng),),
        twin=lambda rng: _plan(world, draw_start(rng, world, world.people, *pair), pair, shade),
        metadata={"subject": person.name, "trails": [list(trail) for trail in pair]},
    )


DAYS_BETWEEN = DaysBetween()
