"""Perception: read the tiny price tag of a pot, or say that there is nothing to be read.

About one tag in seven that is asked for hangs with its blank side to the front or is not there at all. The
right answer is then that the price cannot be determined, which nobody can know who has not looked closely.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import pottery
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.drawing.pottery import Pot
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns

GLAZES = {
    "red": "#b23a30",
    "yellow": "#d9ac3c",
    "blue": "#3c639c",
    "green": "#5b8a50",
    "purple": "#77558f",
    "white": "#e8e2d6",
    "black": "#3a3a3e",
}
"""Glazes that nobody confuses."""

TALL = {"vase": 205.0, "bottle": 225.0, "jug": 180.0, "jar": 165.0, "bowl": 92.0}
"""Form -> height of its pots in pixels."""

UNREADABLE_SHARE = 1 / 7
"""Share of tasks without an answer in the picture: often enough to matter, too seldom to be guessed."""

CANNOT = Answer(
    "cannot be determined",
    aliases=(
        "it cannot be determined",
        "can not be determined",
        "it can not be determined",
        "the price can not be determined",
        "the price cannot be determined",
        "cannot be determined from the picture",
        "not in the picture",
        "unanswerable",
        "no price",
        "there is no price",
        "no price is shown",
        "blank",
        "the tag is blank",
        "no tag",
        "there is no tag",
    ),
)
"""The answer where there is no price; `unknown`, which oracles say without tools, is none of its aliases."""

Tag = int | Literal["blank", "none"]
"""What a pot's tag shows: a price, its blank side, or there is no tag."""


@dataclass(frozen=True, slots=True)
class Ware:
    """One pot for sale; `x` and `foot` in pixels, `hang` is where its tag hangs, -1 left to 1 right."""

    form: str
    colour: str
    x: float
    foot: float
    hang: float
    tag: Tag


def fill_shelves(rng: random.Random, count: int) -> list[Ware]:
    """`count` pots on two shelves, no two alike in form and colour."""
    kinds = rng.sample(list(itertools.product(pottery.FORMS, GLAZES)), count)
    return [
        Ware(form, colour, x, foot, rng.uniform(-0.3, 0.3), _any_tag(rng))
        for (form, colour), (x, foot) in zip(kinds, pottery.stands(count, 0.05, rng), strict=True)
    ]


def _any_tag(rng: random.Random) -> Tag:
    return _unreadable(rng) if rng.random() < UNREADABLE_SHARE else rng.randint(11, 98)


def _unreadable(rng: random.Random) -> Tag:
    return "blank" if rng.random() < 0.7 else "none"


def tag_place(ware: Ware) -> tuple[float, float]:
    """The middle of a pot's tag in pixels: it hangs from the neck."""
    tall = TALL[ware.form]
    wide = pottery.half_width(ware.form, 0.5) * tall
    return ware.x + ware.hang * wide, ware.foot - tall * 0.5


def paint(wares: list[Ware], digits: float, rng: random.Random) -> EncodedImage:
    """The shop as a photograph."""
    canvas = pottery.shop(rng)
    pottery.stand(
        canvas,
        [Pot(each.form, each.x, each.foot, TALL[each.form], GLAZES[each.colour]) for each in wares],
    )
    for ware in wares:
        slant, paper = rng.uniform(-12, 12), rng.choice(("#f3ead3", "#efe4c8", "#f6f0e2"))
        if ware.tag != "none":
            _paint_tag(canvas, ware, digits, slant, paper)
    return as_jpeg(daylight(canvas, rng), rng.randint(86, 93))


def _paint_tag(canvas: Canvas, ware: Ware, digits: float, slant: float, paper: str) -> None:
    x, y = tag_place(ware)
    neck = ware.foot - TALL[ware.form] * 0.92
    canvas.line([(ware.x, neck), (x, y - 16)], "#7a6a52", 1.2)
    turn = math.radians(slant)

    def at(across: float, down: float) -> tuple[float, float]:
        return (
            x + across * math.cos(turn) - down * math.sin(turn),
            y + across * math.sin(turn) + down * math.cos(turn),
        )

    card = [at(-9, -19), at(9, -19), at(16, -12), at(16, 12), at(-16, 12), at(-16, -12)]
    canvas.polygon([(px + 2, py + 3) for px, py in card], "black", alpha=0.28)
    canvas.polygon(card, paper, mix(paper, "black", 0.35), 1)
    canvas.circle(*at(0, -14.5), 2, "#6b5a42")
    if isinstance(ware.tag, int):
        canvas.text(*at(0, 1), str(ware.tag), digits, "#2b2a33", "serif-bold", slant)


class PriceTag:
    """What price is on the tag of the blue jug?"""

    name = "price-tag"
    skills = frozenset({Skill.PERCEPTION})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "pots": Knob(6, 14, "pots on the shelves"),
        "digits": Knob(17, 10, "height of a price's digits in pixels per em"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """Shelves of pots and one of them."""
        wares = fill_shelves(rng, int(knobs["pots"]))
        return _plan(wares, rng.randrange(len(wares)), knobs["digits"])

    def oracle(self, task: Task) -> Oracle:
        """Enlarge the pot that was seen, and read its tag if there is one."""
        left, top, right, bottom = task.metadata["box"]
        program = sight.show_crop(
            f"(image_1.width * {left}, image_1.height * {top}, "
            f"image_1.width * {right}, image_1.height * {bottom})"
        )
        seen = yield turns.code("The tags are tiny. Let me enlarge the one on that pot.", program)
        price = task.metadata["price"] if seen.images else turns.UNKNOWN
        yield turns.answer(f"The tag says: {price}.", price)


def _plan(wares: list[Ware], place: int, digits: float) -> Plan:
    asked = wares[place]
    answer = Answer(str(asked.tag)) if isinstance(asked.tag, int) else CANNOT

    def twin(rng: random.Random) -> Plan:
        tag = _any_tag(rng) if isinstance(asked.tag, int) else rng.randint(11, 98)
        return _plan([*wares[:place], replace(asked, tag=tag), *wares[place + 1 :]], place, digits)

    x, y = tag_place(asked)
    return Plan(
        key="tags/" + " ".join(f"{ware.colour}{ware.form}{ware.x:.0f}" for ware in wares),
        question=(
            f"What price is on the tag of the {asked.colour} {asked.form}, or can it not be determined?"
        ),
        answer=answer,
        draw=lambda rng: (paint(wares, digits, rng),),
        twin=twin,
        metadata={
            "box": [
                round(share, 4)
                for share in (
                    (x - 40) / pottery.WIDTH,
                    (y - 40) / pottery.HEIGHT,
                    (x + 40) / pottery.WIDTH,
                    (y + 30) / pottery.HEIGHT,
                )
            ],
            "price": answer.text,
        },
    )


PRICE_TAG = PriceTag()
