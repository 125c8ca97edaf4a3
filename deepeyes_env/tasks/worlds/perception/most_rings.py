"""Perception: compare tiny attributes across a scene. Which of the numbered pots carries the most rings?"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import pottery
from deepeyes_env.tasks.worlds.drawing.canvas import box, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.drawing.pottery import Pot
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import turns

GLAZES = ("#c9b38a", "#9fb8b0", "#d08c60", "#a9b7cf", "#b9a2b5", "#a8b07c", "#d9cfbf", "#c9a0a0")
"""Glazes light enough for dark rings."""

SLIP = "#3a2a22"
"""Colour of the rings."""

MOST = 12
"""Rings at most; all must find room on a pot's belly."""

FEWEST = 4


@dataclass(frozen=True, slots=True)
class Ringed:
    """One pot.

    Attributes:
        number: On the label below it.
        form: A key of `pottery.FORMS`.
        glaze: Its colour.
        x: Its middle in pixels.
        foot: Row of its foot in pixels.
        height: Pixels.
        rings: How many are painted on it.
        pitch: From ring to ring, in pixels.
    """

    number: int
    form: str
    glaze: str
    x: float
    foot: float
    height: float
    rings: int
    pitch: float


def set_out(rng: random.Random, count: int, lead: int) -> list[Ringed]:
    """`count` pots on two shelves, one of which has at least `lead` rings more than any other."""
    most = rng.randint(FEWEST + lead + 2, MOST)
    winner = rng.randrange(count)
    numbers = rng.sample(range(11, 99), count)
    pots = []
    for place, (number, (x, foot)) in enumerate(zip(numbers, pottery.stands(count, 0.03, rng), strict=True)):
        rings = most if place == winner else rng.randint(max(FEWEST, most - lead - 4), most - lead)
        pots.append(
            Ringed(
                number=number,
                form=rng.choice(("vase", "jug", "jar")),
                glaze=rng.choice(GLAZES),
                x=x,
                foot=foot,
                height=rng.uniform(168, 212),
                rings=rings,
                pitch=rng.uniform(5.6, 6.6),
            )
        )
    return pots


def paint(pots: list[Ringed], rng: random.Random) -> EncodedImage:
    """The shop as a photograph."""
    canvas = pottery.shop(rng)
    bare = [Pot(pot.form, pot.x, pot.foot, pot.height, pot.glaze) for pot in pots]
    pottery.stand(canvas, bare)
    for pot, under in zip(pots, bare, strict=True):
        shares = 0.24 + rng.uniform(0, 0.04) + np.arange(pot.rings) * pot.pitch / pot.height
        canvas.lines(pottery.rings(under, shares), mix(SLIP, pot.glaze, 0.1), 2)
    labels = [(pot.x - 15, pot.foot + 7, pot.x + 15, pot.foot + 30) for pot in pots]
    canvas.shadows([box(*label) for label in labels], 1, 2, 0.25)
    canvas.polygons([box(*label) for label in labels], "#f4ecd8", "#5a4630", 1)
    for pot in pots:
        canvas.text(pot.x, pot.foot + 18.5, str(pot.number), 15, "#2d2418", "serif-bold")
    return as_jpeg(daylight(canvas, rng), rng.randint(86, 93))


COUNT = """
import numpy as np
light = np.asarray(image_1.convert("L"), dtype=float)
height, width = light.shape
def rings(x, top, foot):
    strip = light[int(top * height):int(foot * height), int(x * width) - 2:int(x * width) + 3].mean(1)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(strip, 2, mode="edge"), 5)
    closed = np.lib.stride_tricks.sliding_window_view(np.pad(around.max(1), 2, mode="edge"), 5).min(1)
    dark = closed - strip > 18
    return int((dark[1:] & ~dark[:-1]).sum())
counts = {{number: rings(*box) for number, box in {boxes}.items()}}
print(counts)
print(max(counts, key=counts.get))
"""
"""Counts narrow dark lines down the middle of every pot: where a grey closing by five pixels fills a gap."""


class MostRings:
    """Which pot carries the most rings?"""

    name = "most-rings"
    skills = frozenset({Skill.PERCEPTION})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "pots": Knob(8, 16, "pots on the shelves"),
        "lead": Knob(3, 1, "rings by which the right pot leads"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """Shelves of pots."""
        lead = int(knobs["lead"])
        return _plan(set_out(rng, int(knobs["pots"]), lead), lead)

    def oracle(self, task: Task) -> Oracle:
        """Count dark lines down the middle of every pot that was seen."""
        program = COUNT.format(boxes=dict(task.metadata["boxes"]))
        seen = yield turns.code("The rings are thin. I can see each pot, so let me count its rings.", program)
        number = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"Most rings: {number}.", number)


def _plan(pots: list[Ringed], lead: int) -> Plan:
    best = max(pots, key=lambda pot: pot.rings)

    def twin(rng: random.Random) -> Plan:
        # One pot gets so many rings that it takes the lead; a belly has room for them.
        other = rng.choice([pot for pot in pots if pot is not best])
        changed = [replace(pot, rings=best.rings + lead) if pot is other else pot for pot in pots]
        return _plan(changed, lead)

    return Plan(
        key="rings/" + " ".join(f"{pot.number} {pot.x:.0f}{pot.height:.0f}" for pot in pots),
        question="What number is on the label of the pot that carries the most painted rings?",
        answer=Answer(str(best.number)),
        draw=lambda rng: (paint(pots, rng),),
        twin=twin,
        metadata={
            "boxes": [
                [
                    pot.number,
                    [
                        pot.x / pottery.WIDTH,
                        (pot.foot - pot.height * 0.88) / pottery.HEIGHT,
                        (pot.foot - 9) / pottery.HEIGHT,
                    ],
                ]
                for pot in pots
            ]
        },
    )


MOST_RINGS = MostRings()
