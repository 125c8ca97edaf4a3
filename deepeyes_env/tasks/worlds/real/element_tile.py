"""Search: a tile of the periodic table, and a fact of its element."""

from __future__ import annotations

import random
from collections.abc import Mapping

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import turns
from deepeyes_env.tasks.worlds.real.facts import Element, Facts
from deepeyes_env.tasks.worlds.real.lookup import look_up

SIDE = 728

GLAZES = ("#2f6f73", "#7b3f52", "#41557d", "#8a6a2f", "#4f6b3c", "#6a4c7d", "#a2503a")

QUESTIONS = {
    "cas": "What is the CAS registry number of the element on this tile?",
    "year": "In which year was the element on this tile discovered?",
    "density": "What is the density in g/cm3 of the element on this tile?",
}
"""Fact -> the question that asks for it."""

LEAST_DENSITY = 0.1
"""Of elements whose density is asked for: gases' is given at 0 or at 25 degrees, which is a tenth apart."""

DENSITY_TOLERANCE = 0.032
"""Relative error that counts as right: so far do tables differ, by temperature and form (0.862 to 0.89 for
potassium, 19.25 to 19.3 for tungsten)."""


def photograph(element: Element, rng: random.Random) -> EncodedImage:
    """A glazed tile among others, with the element's number and symbol."""
    glaze = rng.choice(GLAZES)
    canvas = Canvas(SIDE, SIDE, "#d8d2c6")
    step = SIDE * 0.8
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            left, top = SIDE * 0.11 + column * step, SIDE * 0.11 + row * step
            tint = glaze if row == column == 0 else mix(rng.choice(GLAZES), "white", 0.15)
            _tile(canvas, left, top, step - 16, tint, rng)
    middle, cream = SIDE * 0.11 + (step - 16) / 2, "#f6efe0"
    canvas.text(
        SIDE * 0.11 + 46, SIDE * 0.11 + 62, str(element.number), 54, cream, "serif-bold", align="left"
    )
    canvas.text(middle + 5, middle + 27, element.symbol, 280, mix(glaze, "black", 0.45), "serif-bold")
    canvas.text(middle, middle + 20, element.symbol, 280, cream, "serif-bold")
    return as_jpeg(daylight(canvas, rng, shade=rng.uniform(0.12, 0.3)), rng.randint(76, 90))


def _tile(canvas: Canvas, left: float, top: float, side: float, tint: object, rng: random.Random) -> None:
    right, bottom = left + side, top + side
    canvas.rectangle(left + 5, top + 7, right + 5, bottom + 7, "black", alpha=0.2)
    canvas.rectangle(left, top, right, bottom, tint, mix(tint, "black", 0.35), 3)  # type: ignore[arg-type]
    for _ in range(10):
        x, y = rng.uniform(left, right), rng.uniform(top, bottom)
        radius = min(rng.uniform(15, 90), x - left, right - x, y - top, bottom - y)
        if radius > 3:
            canvas.circle(x, y, radius, "white" if rng.random() < 0.5 else "black", alpha=0.06)
    canvas.line([(left + 14, bottom - 20), (left + 14, top + 14), (right - 20, top + 14)], "white", 4, 0.35)


ALLOTROPES = frozenset({"C", "P"})
"""Elements whose density is not asked for: it is not the same of diamond and graphite, or of white and red
phosphorus."""


class ElementTile:
    """In which year was the element on this tile discovered?"""

    name = "element-tile"
    skills = frozenset({Skill.SEARCH})
    tools = frozenset({"search"})
    knobs: Mapping[str, Knob] = {"heaviest": Knob(60, 118, "largest atomic number")}

    def plan(self, rng: random.Random, world: Facts, knobs: Knobs) -> Plan:
        """An element and one of its facts."""
        asked = rng.choice(list(QUESTIONS))
        known = [
            element
            for element in world.elements
            if element.number <= knobs["heaviest"] and _fact(element, asked) is not None
        ]
        return _plan(rng.choice(known), asked, known)

    def oracle(self, task: Task) -> Oracle:
        """One search for the element that the symbol stands for."""
        symbol, name, asked = (task.metadata[key] for key in ("symbol", "name", "fact"))
        found = yield from look_up(f"{name} chemical element", f"(symbol {symbol})", asked)
        yield turns.answer("The page says so.", found[0] if found else turns.UNKNOWN)


def _fact(element: Element, asked: str) -> str | None:
    value = {"cas": element.cas, "year": element.year, "density": element.density}[asked]
    if asked == "density" and ((element.density or 0) < LEAST_DENSITY or element.symbol in ALLOTROPES):
        return None
    return None if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _plan(element: Element, asked: str, known: list[Element]) -> Plan:
    text = _fact(element, asked)
    assert text is not None
    is_density = asked == "density"
    return Plan(
        key=f"element/{element.symbol}",
        question=QUESTIONS[asked],
        answer=Answer(
            text, tolerance=DENSITY_TOLERANCE if is_density else 0.0, unit="g/cm3" if is_density else None
        ),
        draw=lambda rng: (photograph(element, rng),),
        twin=lambda rng: _plan(rng.choice(known), asked, known),
        metadata={"symbol": element.symbol, "name": element.name, "fact": asked},
    )


ELEMENT_TILE = ElementTile()
