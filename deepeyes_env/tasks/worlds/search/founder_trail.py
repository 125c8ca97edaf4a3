"""Search: follow a company to its founder, the founder's birthplace, and that town's river."""

from __future__ import annotations

import random
from collections.abc import Mapping

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Skill, Task
from deepeyes_env.tasks.worlds.drawing import scenery
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.answers import answer_for
from deepeyes_env.tasks.worlds.fictional.facts import key_of
from deepeyes_env.tasks.worlds.fictional.world import Company, World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import lookup, turns
from deepeyes_env.tasks.worlds.search.trails import Trail, draw_start, end_of

WIDTH, HEIGHT = 1008, 756
STREET = 640
"""Row of the pavement's edge."""

FRONTS = ("#2f4b3c", "#5b2430", "#26384f", "#6b4a2b", "#3d3a4f")
"""Paint of shop fronts."""


def photograph(company: Company, letters: float, rng: random.Random) -> EncodedImage:
    """A shop front under the company's name in `letters` pixels per em, or fewer where it is long."""
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
    size = min(letters, 1050 / len(company.name))
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


TRAILS: dict[Trail, str] = {
    ("founder", "birthplace"): "Which is the town where the founder of the company with this shop was born?",
    ("founder", "died_on"): (
        "On which day, month and year did the founder of the company with this shop die?"
    ),
    ("founder", "birthplace", "river"): (
        "On which river lies the town where the founder of the company with this shop was born?"
    ),
    ("founder", "birthplace", "chartered_on"): (
        "On which day, month and year did the town where the founder of the company with this shop was born "
        "receive its charter?"
    ),
    ("founder", "teacher", "birthplace", "landmark_height"): (
        "How high, in metres, is the tower of the town where the teacher of the founder of the company with "
        "this shop was born?"
    ),
    ("founder", "teacher", "birthplace", "population"): (
        "How many inhabitants has the town where the teacher of the founder of the company with this shop "
        "was born?"
    ),
}
"""Facts to follow from the company -> the question. Its name stands over its window and nowhere else."""


class FounderTrail:
    """On which river lies the town where the founder of this company was born?"""

    name = "founder-trail"
    skills = frozenset({Skill.SEARCH})
    tools = frozenset({"search"})
    knobs: Mapping[str, Knob] = {
        "hops": Knob(2, 4, "pages to follow, the company's own included"),
        "letters": Knob(52, 30, "height of the letters over the window in pixels per em, at most"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A company, and how far to follow its founder."""
        steps = rng.choice([trail for trail in TRAILS if len(trail) == knobs["hops"]])
        return _plan(world, draw_start(rng, world, world.companies, steps), steps, knobs["letters"])

    def oracle(self, task: Task) -> Oracle:
        """Read the name, then one search for each step of the trail."""
        found = yield from lookup.follow(task.metadata["subject"], task.metadata["steps"])
        yield turns.answer("That is the end of the trail.", found or turns.UNKNOWN)


def _plan(world: World, company: Company, steps: Trail, letters: float) -> Plan:
    return Plan(
        key=key_of(company),
        question=TRAILS[steps],
        answer=answer_for(steps[-1], end_of(world, company, steps)),
        draw=lambda rng: (photograph(company, letters, rng),),
        twin=lambda rng: _plan(world, draw_start(rng, world, world.companies, steps), steps, letters),
        metadata={"subject": company.name, "steps": list(steps)},
    )


FOUNDER_TRAIL = FounderTrail()
