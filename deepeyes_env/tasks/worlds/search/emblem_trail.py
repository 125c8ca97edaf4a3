"""Search: from an emblem over several pages: company, rival, founder, teacher, birthplace, tower."""

from __future__ import annotations

import random
from collections.abc import Mapping

from deepeyes_env.task import Skill, Task
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.answers import answer_for
from deepeyes_env.tasks.worlds.fictional.facts import key_of
from deepeyes_env.tasks.worlds.fictional.world import Company, World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import lookup, turns
from deepeyes_env.tasks.worlds.search.emblem_fact import photograph_emblem
from deepeyes_env.tasks.worlds.search.picture_fact import SHADE
from deepeyes_env.tasks.worlds.search.trails import Trail, draw_start, end_of

TRAILS: dict[Trail, str] = {
    ("founder", "birthplace"): "In which town was the founder of the company with this emblem born?",
    ("founder", "born_on"): (
        "On which day, month and year was the founder of the company with this emblem born?"
    ),
    ("rival", "founder"): "Who founded the rival of the company with this emblem?",
    ("town", "chartered"): (
        "In which year did the town in which the company with this emblem had its works receive its charter?"
    ),
    ("founder", "birthplace", "landmark_opened"): (
        "In which year was the tower opened that stands in the birthplace of the founder of the company with "
        "this emblem?"
    ),
    ("founder", "birthplace", "elevation"): (
        "How many metres above the sea lies the birthplace of the founder of the company with this emblem?"
    ),
    ("founder", "teacher", "birthplace"): (
        "In which town was the person born who taught the founder of the company with this emblem?"
    ),
    ("rival", "founder", "birthplace"): (
        "In which town was the founder of the rival of the company with this emblem born?"
    ),
    ("founder", "teacher", "birthplace", "landmark_height"): (
        "How high, in metres, is the tower in the birthplace of the person who taught the founder of the "
        "company with this emblem?"
    ),
    ("rival", "founder", "birthplace", "landmark_opened"): (
        "In which year was the tower opened that stands in the birthplace of the founder of the rival of the "
        "company with this emblem?"
    ),
    ("rival", "founder", "teacher", "born"): (
        "In which year was the person born who taught the founder of the rival of the company with this "
        "emblem?"
    ),
}
"""Facts to follow from the company -> the question."""


class EmblemTrail:
    """In which year was the tower opened in the birthplace of the founder of the company with this emblem?"""

    name = "emblem-trail"
    skills = frozenset({Skill.SEARCH})
    tools = frozenset({"image_search", "search"})
    knobs: Mapping[str, Knob] = {
        "hops": Knob(2, 4, "pages to follow from the company's own"),
        "shade": SHADE,
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A company and a trail that does not break off."""
        steps = rng.choice([trail for trail in TRAILS if len(trail) == knobs["hops"]])
        return _plan(world, draw_start(rng, world, world.companies, steps), steps, knobs["shade"])

    def oracle(self, task: Task) -> Oracle:
        """One search by image, and one for each step."""
        company = yield from lookup.identify()
        if company is None:
            yield turns.answer("No emblem like it was found.", turns.UNKNOWN)
            return
        found = yield from lookup.follow(company, task.metadata["steps"])
        yield turns.answer("That is the end of the trail.", found or turns.UNKNOWN)


def _plan(world: World, company: Company, steps: Trail, shade: float) -> Plan:
    return Plan(
        key=key_of(company),
        question=TRAILS[steps],
        answer=answer_for(steps[-1], end_of(world, company, steps)),
        draw=lambda rng: (photograph_emblem(company, shade, rng),),
        twin=lambda rng: _plan(world, draw_start(rng, world, world.companies, steps), steps, shade),
        metadata={"subject": company.name, "steps": list(steps)},
    )


EMBLEM_TRAIL = EmblemTrail()
