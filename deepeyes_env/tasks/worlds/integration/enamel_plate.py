"""All three skills: recognise an emblem, read the tiny year stamped below it, look up a year, subtract."""

from __future__ import annotations

import math
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
from deepeyes_env.tasks.worlds.oracles import lookup, sight, turns

SIDE = 1008

ENAMELS = ("#f2ead8", "#eef0ec", "#e8e4da", "#f4efe6")

YEARS = 11, 68
"""From the founding of a company to a plate, which no company makes that is closed."""

STAMP_ROW = 0.955
"""Where the stamp stands, as a share of the height."""


def photograph(emblem: Emblem, year: int, letters: float, scratches: int, rng: random.Random) -> EncodedImage:
    """An enamelled plate with rivets, scratches and a stamp along its lower edge."""
    enamel = rng.choice(ENAMELS)
    canvas = Canvas(SIDE, SIDE, enamel)
    canvas.rectangle(14, 14, SIDE - 14, SIDE - 14, None, mix(enamel, "#5a5040", 0.35), 3)
    for _ in range(scratches):
        x, y, turn = rng.uniform(0, SIDE), rng.uniform(0, SIDE), rng.uniform(0, 6.3)
        far = rng.uniform(20, 130)
        end = x + far * math.cos(turn), y + far * math.sin(turn)
        canvas.line([(x, y), end], mix(enamel, "#6b5d48", 0.5), rng.uniform(0.6, 1.3), alpha=0.45)
    paint_emblem(canvas, emblem, SIDE / 2, SIDE / 2, SIDE * EMBLEM_SCALE)
    for x in (48, SIDE - 48):
        for y in (48, SIDE - 48):
            canvas.circle(x, y, 15, "#8d8577", "#5d564b", 2)
            canvas.circle(x - 4, y - 4, 5, "#c9c2b4")
            for _ in range(5):
                dx, dy = rng.uniform(-30, 30), rng.uniform(-30, 30)
                canvas.circle(x + dx, y + dy, rng.uniform(3, 9), "#8a4f2a", alpha=0.35)
    canvas.text(SIDE / 2, SIDE * STAMP_ROW, f"ENAMELLED {year}", letters, "#4a4238", "mono")
    return as_jpeg(daylight(canvas, rng, shade=rng.uniform(0.08, 0.2)), rng.randint(84, 92))


class EnamelPlate:
    """How many years after the founding of its company was this plate made?"""

    name = "enamel-plate"
    skills = frozenset(Skill)
    tools = frozenset({"code", "image_search", "search"})

    knobs: Mapping[str, Knob] = {
        "letters": Knob(15, 11, "size of the stamp's letters in pixels per em"),
        "scratches": Knob(10, 50, "scratches in the enamel"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A company and the year of one of its plates."""
        company = rng.choice(world.companies)
        return _plan(company, _age(rng, company), knobs)

    def oracle(self, task: Task) -> Oracle:
        """Enlarge the stamp, search by image and by name, subtract."""
        box = "(image_1.width * 0.35, image_1.height * 0.94, image_1.width * 0.65, image_1.height * 0.97)"
        seen = yield turns.code("The stamp is tiny. Let me enlarge it.", sight.show_crop(box, zoom=3))
        company = (yield from lookup.identify()) if seen.images else None
        founded = (yield from lookup.look_up(company, "founded")) if company else None
        if founded is None:
            yield turns.answer("One of the two years is missing.", turns.UNKNOWN)
            return
        years = task.metadata["year"] - int(founded)
        yield turns.answer(f"{task.metadata['year']} - {founded} = {years}.", str(years))


def _age(rng: random.Random, company: Company) -> int:
    last = YEARS[1] if company.closed is None else min(YEARS[1], company.closed - company.founded)
    return rng.randint(YEARS[0], last)


def _plan(company: Company, age: int, knobs: Knobs) -> Plan:
    year, letters, scratches = company.founded + age, knobs["letters"], int(knobs["scratches"])
    return Plan(
        key=f"company/{company.name}",
        question=(
            "The year in which this plate was enamelled is stamped on it. How many years after the "
            "founding of the company whose emblem it bears was that?"
        ),
        answer=Answer(str(age), unit="years"),
        draw=lambda rng: (photograph(company.emblem, year, letters, scratches, rng),),
        twin=lambda rng: _plan(company, _age(rng, company), knobs),
        metadata={"year": year},
    )


ENAMEL_PLATE = EnamelPlate()
