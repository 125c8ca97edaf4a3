"""Search: follow a company to its founder, the founder's birthplace, and that town's river."""

from __future__ import annotations

import random
from collections.abc import Mapping

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import scenery
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import Company, World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import lookup, turns

WIDTH, HEIGHT = 1008, 756
STREET = 640
"""Row of the pavement's edge."""

FRONTS = ("#2f4b3c", "#5b2430", "#26384f", "#6b4a2b", "#3d3a4f")
"""Paint of shop fronts."""


def photograph(company: Company, rng: random.Random) -> EncodedImage:
    """A shop front under the company's name."""
    canvas = scenery.outdoors(WIDTH, HEIGHT, STREET, "#aaa49a", rng)
    brick = rng.choice(("#a9654a", "#b98a63", "#8f8a86", "#c2a67e"))
    canvas.rectangle(110, 60, WIDTH - 110, STREET, brick)
    courses = range(60, STREET, 15)
    joints = [[(110, row), (WIDTH - 110, row)] for row in courses]
    for row in courses:
        joints += [[(x, row), (x, row + 15)] for x in range(128 if row % 2 else 110, WIDTH - 110, 36)]
    canvas.lines(joints, mix(brick, "black", 0.14), 1)
    front = rng.choice(FRONTS)
    for x in (240, 504, 768):
        canvas.rectangle(x - 52, 100, x + 52, 240, "#efe9da", mix(brick, "black", 0.4), 2)
        canvas.rectangle(x - 43, 109, x + 43, 231, rng.choice(("#34495a", "#f1d58b", "#43606e")))
        canvas.line([(x, 109), (x, 231)], "#efe9da", 5)
        canvas.line([(x - 43, 165), (x + 43, 165)], "#efe9da", 5)
    canvas.rectangle(150, 290, WIDTH - 150, STREET, front)
    canvas.rectangle(142, 278, WIDTH - 142, 372, mix(front, "black", 0.25), "#d8b45a", 3)
    size = min(52.0, 1050 / len(company.name))
    canvas.text(WIDTH / 2, 325, company.name, size, "#ecd08a", rng.choice(("serif-bold", "bold")))
    _paint_panes(canvas, front, rng)
    scenery.paving(canvas, STREET, "#a8a39a", rng)
    scenery.person(canvas, rng.uniform(30, 100), HEIGHT - 30, 200, rng)
    scenery.lamp_post(canvas, WIDTH - 60, HEIGHT - 30, 420)
    return as_jpeg(daylight(canvas, rng), rng.randint(80, 92))


def _paint_panes(canvas: Canvas, front: str, rng: random.Random) -> None:
    for left, right in ((176, 420), (588, 832)):
        canvas.rectangle(left, 400, right, 590, "#2b3a44", mix(front, "white", 0.35), 4)
        canvas.rectangle(left + 4, 540, right - 4, 586, "#6d5138")
        for x in range(left + 30, right - 20, 44):
            tint = rng.choice(("#c9573c", "#d8b45a", "#5f8f8a", "#8a6aa0", "#dcd6c6"))
            height = rng.randint(30, 96)
            canvas.rectangle(x - 13, 540 - height, x + 13, 540, tint, mix(tint, "black", 0.4), 1.5)
        canvas.polygon(
            [(left + 8, 570), (left + 130, 406), (left + 165, 406), (left + 20, 588)], "white", alpha=0.1
        )
    canvas.rectangle(450, 396, 558, STREET, mix(front, "black", 0.3), mix(front, "white", 0.3), 3)
    canvas.rectangle(468, 414, 540, 530, "#3a4d58")
    canvas.circle(545, 560, 5, "#d8b45a")


class FounderTrail:
    """On which river lies the town where the founder of this company was born?"""

    name = "founder-trail"
    skills = frozenset({Skill.SEARCH})
    tools = frozenset({"search"})

    knobs: Mapping[str, Knob] = {}

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A company, and how far to follow its founder."""
        company, to_river = rng.choice(world.companies), rng.random() < 0.5
        birthplace = world.person_named[company.founder].birthplace
        town = f"the town where the founder of {company.name} was born"
        return Plan(
            key=f"company/{company.name}",
            question=(
                f"The picture shows a shop of {company.name}. "
                + (f"On which river does {town} lie?" if to_river else f"Which is {town}?")
            ),
            answer=Answer(world.town_named[birthplace].river if to_river else birthplace),
            draw=lambda rng: (photograph(company, rng),),
            metadata={"company": company.name, "to_river": to_river},
        )

    def oracle(self, task: Task) -> Oracle:
        """One search for each step of the trail."""
        found: str | None = task.metadata["company"]
        for step in (
            ("founder", "birthplace", "river") if task.metadata["to_river"] else ("founder", "birthplace")
        ):
            if found is not None:
                found = yield from lookup.look_up(found, step)
        yield turns.answer("That is the end of the trail.", found or turns.UNKNOWN)


FOUNDER_TRAIL = FounderTrail()
