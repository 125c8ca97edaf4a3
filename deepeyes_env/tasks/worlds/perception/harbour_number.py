"""Perception: find one boat in a panorama of 2,000 to 4,000 pixels and read the number on its bow."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import replace

from deepeyes_env.images import PATCH_FACTOR, EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import harbour
from deepeyes_env.tasks.worlds.drawing.harbour import Boat
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns

ASPECT = 0.62
"""Height of a panorama as a share of its width: the widest is just below the largest observation."""

LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
"""Letters of numbers; I, O and Q look like digits."""

BOAT_STEP = 430
"""Pixels of a panorama's width for each boat of a row, so that a larger one holds more boats."""


def moor(rng: random.Random, width: int) -> list[Boat]:
    """Boats in rows, none of which hides another; all differ in the pair of sail and hull."""
    height, columns = _height(width), round(width / BOAT_STEP)
    pairs = rng.sample(
        list(itertools.product(harbour.SAILS, harbour.HULLS)), columns * len(harbour.BOAT_ROWS)
    )
    water, step = height * (1 - harbour.HORIZON), width / columns
    boats = []
    for (row, (line, size)), column in itertools.product(enumerate(harbour.BOAT_ROWS), range(columns)):
        sail, hull = pairs[row * columns + column]
        shift = 0.08 if row % 2 else -0.08
        boats.append(
            Boat(
                sail=sail,
                hull=hull,
                number=_number(rng),
                x=step * (column + 0.5 + shift + rng.uniform(-0.06, 0.06)),
                line=height * harbour.HORIZON + water * (line + rng.uniform(-0.012, 0.012)),
                size=height / 6.2 * size * rng.uniform(0.94, 1.04),
                bow=rng.choice((-1, 1)),
            )
        )
    return boats


def _number(rng: random.Random) -> str:
    return f"{rng.choice(LETTERS)}{rng.choice(LETTERS)} {rng.randint(11, 99)}"


def _height(width: int) -> int:
    return round(width * ASPECT / PATCH_FACTOR) * PATCH_FACTOR


def paint(boats: list[Boat], width: int, letters: float, rng: random.Random) -> EncodedImage:
    """The panorama as a photograph."""
    canvas = harbour.waters(width, _height(width), rng)
    for boat in boats:
        harbour.boat(canvas, boat, letters, rng)
    for _ in range(12):
        x, y = rng.uniform(0, width), rng.uniform(0.05, 0.25) * canvas.height
        harbour.gull(canvas, x, y, rng.uniform(0.003, 0.008) * width)
    return as_jpeg(daylight(canvas, rng), rng.randint(86, 92))


FIND = """
small = image_1.reduce(4)
pixels = np.asarray(small, dtype=float)
hull = np.abs(pixels / np.maximum(pixels.max(), 1) - np.array({hull}) / 255).max(-1) < 0.16
best = 0
for blob in blobs_of(mask_of(small, {sail}, tolerance=0.04)[::2, ::2], least=25):
    (top, left), (bottom, right) = blob.min(0) * 2, blob.max(0) * 2
    tall, foot = bottom - top, bottom
    under = hull[foot:foot + tall // 3, max(left, 0):right].mean()
    if under > best and tall > 0.06 * small.height:
        best, box = under, (left - tall * 0.75, foot, right + tall * 0.75, foot + tall * 0.55)
"""
"""Finds the sail of one colour that has a hull of the other below it; the number is on that hull."""


class HarbourNumber:
    """What number is on the boat with the red sail and the blue hull?"""

    name = "harbour-number"
    skills = frozenset({Skill.PERCEPTION})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "width": Knob(2000, 4000, "width of the panorama in pixels, and at most 27 more, a multiple of 28"),
        "letters": Knob(15, 11, "height of a number's letters in pixels per em"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A harbour and one boat in it."""
        width = math.ceil(knobs["width"] / PATCH_FACTOR) * PATCH_FACTOR
        boats = moor(rng, width)
        return _plan(boats, rng.randrange(len(boats)), width, knobs["letters"])

    def oracle(self, task: Task) -> Oracle:
        """Find the boat by its two colours, enlarge its hull, and read."""
        sail, hull = harbour.SAILS[task.metadata["sail"]], harbour.HULLS[task.metadata["hull"]]
        program = sight.MASK_OF + sight.BLOBS_OF
        program += FIND.format(sail=sight.channels(sail), hull=sight.channels(hull))
        program += sight.show_crop("(4 * v for v in box)", zoom=3)
        seen = yield turns.code("The boats are many and their numbers tiny. Let me find that one.", program)
        number = task.metadata["number"] if seen.images else turns.UNKNOWN
        yield turns.answer(f"Its bow reads {number}.", number)


def _plan(boats: list[Boat], place: int, width: int, letters: float) -> Plan:
    asked = boats[place]

    def twin(rng: random.Random) -> Plan:
        changed = replace(asked, number=_number(rng))
        return _plan([*boats[:place], changed, *boats[place + 1 :]], place, width, letters)

    return Plan(
        key="harbour/" + " ".join(f"{boat.sail}{boat.hull}{boat.x:.0f}" for boat in boats),
        question=(
            f"What number is on the bow of the boat with the {asked.sail} sail and the {asked.hull} hull?"
        ),
        answer=Answer(asked.number, aliases=(asked.number.replace(" ", ""), asked.number.replace(" ", "-"))),
        draw=lambda rng: (paint(boats, width, letters, rng),),
        twin=twin,
        metadata={"sail": asked.sail, "hull": asked.hull, "number": asked.number},
    )


HARBOUR_NUMBER = HarbourNumber()
