"""Search and reasoning: read a delivery note, look every product up, and add up weight or cost."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import desk
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix, text_width
from deepeyes_env.tasks.worlds.drawing.document import paint_sheet
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.facts import facts_of, key_of
from deepeyes_env.tasks.worlds.fictional.world import Product, World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import lookup, turns

WIDTH, HEIGHT = 896, 700

INK = "#26262e"
FACE = "serif-italic"
RECEIVED = ("Received in good order", "Unpacked and counted", "Handed over at the yard")

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
    desk.inkwell(canvas, free, HEIGHT * rng.uniform(0.14, 0.22), 78, rng)
    desk.coins(canvas, free, HEIGHT * rng.uniform(0.78, 0.86), 35, rng)
    paint_sheet(canvas, "letter", x, y, width, height, rng)
    _write(canvas, lines, x - width / 2, y - height / 2, width, height, rng)
    desk.pen(canvas, free, HEIGHT * rng.uniform(0.42, 0.56), 170, rng)
    return as_jpeg(daylight(canvas, rng, shade=rng.uniform(0.08, 0.18)), rng.randint(80, 90))


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
    faint, rule = mix(INK, "white", 0.3), mix(accent, "white", 0.5)
    first, second, right = (left + width * share for share in (0.08, 0.24, 0.93))
    canvas.text(left + width / 2, top + height * 0.1, "DELIVERY NOTE", 43, accent, "serif-bold")
    canvas.text(right, top + height * 0.19, f"No. {rng.randint(102, 988)}", 20, faint, FACE, align="right")
    canvas.text(first, top + height * 0.26, "pieces", 18, faint, FACE, align="left")
    canvas.text(second, top + height * 0.26, "article", 18, faint, FACE, align="left")
    step = min(height * 0.1, height * 0.5 / len(lines))
    row = top + height * 0.3
    start, edge = row, left + width * 0.07
    canvas.line([(edge, row), (right, row)], accent, 2.5)
    widest = max(text_width(line.product.name, 1, "serif") for line in lines)
    size = min(26.0, (right - second) / widest)
    for line in lines:
        canvas.text(left + width * 0.18, row + step / 2, str(line.count), 27, INK, "serif", align="right")
        canvas.text(second, row + step / 2, line.product.name, size, INK, "serif", align="left")
        row += step
        canvas.line([(edge, row), (right, row)], rule, 1.2)
    canvas.line([(left + width * 0.21, start), (left + width * 0.21, row)], rule, 1.2)
    canvas.text(first, top + height * 0.9, rng.choice(RECEIVED), 20, INK, FACE, align="left")
    _stamp(canvas, left + width * 0.8, top + height * 0.875, accent, rng)


def _stamp(canvas: Canvas, x: float, y: float, ink: str, rng: random.Random) -> None:
    tilt = rng.uniform(-18, 18)
    canvas.circle(x, y, 44, None, mix(ink, "white", 0.35), 4)
    canvas.circle(x, y, 36, None, mix(ink, "white", 0.35), 1.5)
    canvas.text(x, y, "PAID", 24, mix(ink, "white", 0.35), "bold", tilt)


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
        # All of one split, as everything that a task asks about must be: by chance that were rare.
        split = world.splits[key_of(rng.choice(world.products))]
        peers = [product for product in world.products if world.splits[key_of(product)] == split]
        products = rng.sample(peers, int(knobs["lines"]))
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
