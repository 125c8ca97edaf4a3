"""Search: recognise an emblem by image search, then look up a fact about its owner."""

from __future__ import annotations

import random
from collections.abc import Mapping

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.emblem import Emblem, paint_emblem
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.encyclopaedia import EMBLEM_SCALE
from deepeyes_env.tasks.worlds.fictional.world import Company, World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import lookup, turns

SIDE = 784

WALLS = ("#e9e0cd", "#d9d4c8", "#efe8e0", "#dfe3e0", "#e6d9c6")
"""Plaster on which the sign hangs."""

QUESTIONS = {
    "founded": "In which year was the company with this emblem founded?",
    "founder": "Who founded the company that used this emblem?",
    "town": "In which town did the company with this emblem have its works?",
    "workers": "How many workers did the company with this emblem employ at its height?",
}
"""Fact -> the question that asks for it."""


def photograph(emblem: Emblem, rng: random.Random) -> EncodedImage:
    """The emblem as a painted sign on a plastered wall."""
    wall = rng.choice(WALLS)
    canvas = Canvas(SIDE, SIDE, wall)
    for _ in range(60):
        x, y = rng.uniform(0, SIDE), rng.uniform(0, SIDE)
        tone = mix(wall, "black" if rng.random() < 0.5 else "white", 0.5)
        canvas.circle(x, y, rng.uniform(10, 90), tone, alpha=0.03)
    for _ in range(5):
        x, y = rng.uniform(0, SIDE), rng.uniform(0, SIDE)
        crack = [(x + step * 14, y + rng.uniform(-9, 9) + step * 5) for step in range(9)]
        canvas.line(crack, mix(wall, "black", 0.35), 1.1, alpha=0.5)
    paint_emblem(canvas, emblem, SIDE / 2, SIDE / 2, SIDE * EMBLEM_SCALE * rng.uniform(0.97, 1.02))
    return as_jpeg(daylight(canvas, rng, shade=rng.uniform(0.08, 0.22)), rng.randint(60, 88))


class EmblemFact:
    """In which year was the company with this emblem founded?"""

    name = "emblem-fact"
    skills = frozenset({Skill.SEARCH})
    tools = frozenset({"image_search", "search"})

    knobs: Mapping[str, Knob] = {}

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A company, its emblem and one of its facts."""
        company, asked = rng.choice(world.companies), rng.choice(list(QUESTIONS))
        return Plan(
            key=f"company/{company.name}",
            question=QUESTIONS[asked],
            answer=_answer(company, asked),
            draw=lambda rng: (photograph(company.emblem, rng),),
            metadata={"company": company.name, "fact": asked},
        )

    def oracle(self, task: Task) -> Oracle:
        """Search by image, then by the name that was found."""
        company = yield from lookup.identify()
        if company is None:
            yield turns.answer("No emblem like it was found.", turns.UNKNOWN)
            return
        found = yield from lookup.look_up(company, task.metadata["fact"])
        yield turns.answer(f"The page of {company} says so.", found or turns.UNKNOWN)


def _answer(company: Company, asked: str) -> Answer:
    if asked == "founder":
        # A family name alone is right too, as a person would accept it.
        return Answer(company.founder, aliases=(company.founder.split()[-1],))
    return Answer(
        {"founded": str(company.founded), "town": company.town, "workers": str(company.workers)}[asked]
    )


EMBLEM_FACT = EmblemFact()
