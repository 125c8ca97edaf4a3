"""Search and reasoning: read a delivery note, look every product up, and add up weight or cost."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import desk
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.document import paint_sheet
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.facts import facts_of, key_of
from deepeyes_env.tasks.worlds.fictional.world import Product, World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import lookup, turns

WIDTH, HEIGHT = 1008, 784

INK = "#26262e"

QUESTIONS = {
    "weighed": (
        "According to the encyclopaedia, how many grams do all the articles on this delivery note weigh "
        "together?"
    ),
    "cost": (
        "According to the encyclopaedia, how many pence did all the articles on this delivery note cost "
        "together when they were new on the market?"
    ),
}
"""Fact of every product -> the question for its sum."""

UNITS = {"weighed": "g", "cost": "pence"}


@dataclass(frozen=True, slots=True)
class Line:
    """So many pieces of a product."""

    count: int
    product: Product


def photograph_note(lines: tuple[Line, ...], rng: random.Random) -> EncodedImage:
    """The note on a desk."""
    canvas = desk.desk(WIDTH, HEIGHT, rng)
    x, y, width, height = WIDTH * 0.45, HEIGHT / 2, WIDTH * 0.76, HEIGHT * 0.9
    free = (x + width / 2 + WIDTH) / 2
    desk.inkwell(canvas, free, HEIGHT * rng.uniform(0.14, 0.22), 88, rng)
    desk.coins(canvas, free, HEIGHT * rng.uniform(0.78, 0.86), 40, rng)
    paint_sheet(canvas, "letter", x, y, width, height, rng)
    _write(canvas, lines, x - width / 2, y - height / 2, width, height, rng)
    desk.pen(canvas, free, HEIGHT * rng.uniform(0.42, 0.56), 190, rng)
    return as_jpeg(daylight(canvas.finish(), rng, shade=rng.uniform(0.08, 0.18)), rng.randint(80, 90))


def _write(
    canvas: Canvas,
    lines: tuple[Line, ...],
    left: float,
    top: float,
    width: float,
    height: float,
    rng: random.Random,
) -> None:
    accent = rng.choice(("#7a2a24", "#27406b", "#2f5a44", "#5a3a6e"))
    canvas.text(left + width / 2, top + height * 0.1, "DELIVERY NOTE", 46, accent, "serif-bold")
    number = f"No. {rng.randint(102, 988)}"
    canvas.text(
        left + width * 0.93,
        top + height * 0.19,
        number,
        21,
        mix(accent, INK, 0.5),
        "serif-italic",
        align="right",
    )
    canvas.text(
        left + width * 0.08,
        top + height * 0.26,
        "pieces",
        19,
        mix(INK, "white", 0.3),
        "serif-italic",
        align="left",
    )
    canvas.text(
        left + width * 0.24,
        top + height * 0.26,
        "article",
        19,
        mix(INK, "white", 0.3),
        "serif-italic",
        align="left",
    )
    step = min(height * 0.1, height * 0.5 / len(lines))
    row = top + height * 0.3
    canvas.line([(left + width * 0.07, row), (left + width * 0.93, row)], accent, 2.5)
    for line in lines:
        middle = row + step / 2
        canvas.text(left + width * 0.18, middle, str(line.count), 29, INK, "serif", align="right")
        canvas.text(left + width * 0.24, middle, line.product.name, 27, INK, "serif", align="left")
        row += step
        canvas.line([(left + width * 0.07, row), (left + width * 0.93, row)], mix(accent, "white", 0.5), 1.2)
    canvas.line(
        [(left + width * 0.21, top + height * 0.3), (left + width * 0.21, row)],
        mix(accent, "white", 0.5),
        1.2,
    )
    received = ("Received in good order", "Unpacked and counted", "Handed over at the yard")
    canvas.text(
        left + width * 0.08, top + height * 0.9, rng.choice(received), 21, INK, "serif-italic", align="left"
    )
    _stamp(canvas, left + width * 0.8, top + height * 0.875, accent, rng)


def _stamp(canvas: Canvas, x: float, y: float, ink: str, rng: random.Random) -> None:
    tilt = rng.uniform(-18, 18)
    canvas.circle(x, y, 50, None, mix(ink, "white", 0.35), 4)
    canvas.circle(x, y, 41, None, mix(ink, "white", 0.35), 1.5)
    canvas.text(x, y, "PAID", 27, mix(ink, "white", 0.35), "bold", tilt)


class DeliveryNote:
    """How many grams do all the articles on this delivery note weigh together?"""

    name = "delivery-note"
    skills = frozenset({Skill.SEARCH, Skill.REASONING})
    tools = frozenset({"search", "code"})
    knobs: Mapping[str, Knob] = {
        "lines": Knob(2, 5, "articles on the note"),
        "pieces": Knob(12, 96, "most pieces of an article"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """Some products and how many of each."""
        products = rng.sample(world.products, int(knobs["lines"]))
        most = int(knobs["pieces"])
        lines = tuple(Line(rng.randint(2, most), product) for product in products)
        return _plan(lines, rng.choice(list(QUESTIONS)), most)

    def oracle(self, task: Task) -> Oracle:
        """One search for each line, and a sum."""
        fact, terms = task.metadata["fact"], []
        for count, product in task.metadata["lines"]:
            value = yield from lookup.look_up(product, fact)
            if value is None:
                yield turns.answer("One of them was not found.", turns.UNKNOWN)
                return
            terms.append(f"{count} * {value}")
        seen = yield turns.code("All values are there. Let me add them up.", f"print({' + '.join(terms)})")
        yield turns.answer("That is the sum.", turns.printed(seen) or turns.UNKNOWN)


def _plan(lines: tuple[Line, ...], fact: str, most: int) -> Plan:
    total = sum(line.count * int(facts_of(line.product)[fact]) for line in lines)

    def twin(rng: random.Random) -> Plan:
        place = rng.randrange(len(lines))
        changed = Line(rng.randint(2, most), lines[place].product)
        return _plan((*lines[:place], changed, *lines[place + 1 :]), fact, most)

    first, *others = (key_of(line.product) for line in lines)
    return Plan(
        key=first,
        further_keys=tuple(others),
        question=QUESTIONS[fact],
        answer=Answer(str(total), unit=UNITS[fact]),
        draw=lambda rng: (photograph_note(lines, rng),),
        twin=twin,
        metadata={"fact": fact, "lines": [[line.count, line.product.name] for line in lines]},
    )


DELIVERY_NOTE = DeliveryNote()
