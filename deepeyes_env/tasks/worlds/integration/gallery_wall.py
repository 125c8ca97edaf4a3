"""All three skills: find the marked pictures on a wall, identify each by its crop, reckon with facts."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.artefact import paint_exhibit
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas
from deepeyes_env.tasks.worlds.drawing.framed import STICKERS, Framed, hang, paint_framed, paint_wall
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.drawing.portrait import ASPECT, paint_portrait
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.dates import read
from deepeyes_env.tasks.worlds.fictional.facts import Thing, facts_of, key_of
from deepeyes_env.tasks.worlds.fictional.world import Artefact, Person, World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import arithmetic, recognition, turns
from deepeyes_env.tasks.worlds.oracles.framed_pictures import find_framed

WIDTH, HEIGHT = 1204, 840

SKIRTING = 730
"""Row where the wallpaper ends."""

ROOM = (50.0, 62.0, 1150.0, 712.0)
"""Left, top, right and bottom of the wall that is hung with pictures."""


@dataclass(frozen=True, slots=True)
class Question:
    """A kind of question; `wording` holds `{0}` for the sticker's colour.

    Attributes:
        fact: Key of `lookup.FACTS`.
        wording: The question.
        reckon: Gives the answer from two facts as pages word them.
        program: Prints it in the sandbox, with `{0}` and `{1}` for the facts.
        unit: Unit of the answer.
    """

    fact: str
    wording: str
    reckon: Callable[[str, str], int]
    program: str
    unit: str | None


_DAYS = """
from datetime import datetime
one, other = (datetime.strptime(text, "%d %B %Y") for text in ("{0}", "{1}"))
print(abs((one - other).days))
"""


def _days_between(one: str, other: str) -> int:
    return abs((read(one) - read(other)).days)


_ORDER = ("first", "second")


@dataclass(frozen=True)
class GalleryWall:
    """Days between the births of two sitters, or what two vessels cost together.

    Attributes:
        name: Name of the family.
        things: What may hang on the wall.
        paint: Gives the picture of a thing, RGB, by its width and height in pixels.
        aspect: Height of a picture over its width.
        questions: What is asked.
    """

    name: str
    things: Callable[[World], tuple[Thing, ...]]
    paint: Callable[[Thing, int, int], Image.Image]
    aspect: float
    questions: tuple[Question, ...]

    skills = frozenset(Skill)
    tools = frozenset({"code", "image_search", "search"})
    knobs: ClassVar[Mapping[str, Knob]] = {
        "pictures": Knob(4, 8, "pictures on the wall"),
        "width": Knob(180, 100, "width of a picture in pixels"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A wall, two of whose pictures bear a sticker of the same colour."""
        things = rng.sample(self.things(world), int(knobs["pictures"]))
        colour, *others = rng.sample(list(STICKERS), 3)
        asked = sorted(rng.sample(range(len(things)), 2))
        # The other colours stand on one picture each, and some pictures have none.
        stickers: list[str | None] = [None] * len(things)
        for place, sticker in zip(
            rng.sample([k for k in range(len(things)) if k not in asked], 2), others, strict=True
        ):
            stickers[place] = sticker
        for place in asked:
            stickers[place] = colour
        hung = hang(rng, (knobs["width"], knobs["width"] * self.aspect), stickers, ROOM)
        return self._plan(rng.randrange(len(self.questions)), things, hung, asked, world)

    def oracle(self, task: Task) -> Oracle:
        """Find the stickers, search by image with each picture above one, look both up, reckon."""
        kind, sticker = self.questions[task.metadata["kind"]], task.metadata["sticker"]
        boxes = yield from recognition.find_boxes(find_framed(sticker), f"Where are the {sticker} stickers?")
        names, known, facts = task.metadata["shown"], False, None
        if boxes is not None:
            things = [f"what the picture above the {which} {sticker} sticker shows" for which in _ORDER]
            known = yield from recognition.recognise_each(boxes, things, names)
        if known:
            facts = yield from arithmetic.look_up_each((name, kind.fact) for name in names)
        if facts is None:
            yield from arithmetic.give_up("I cannot tell what these pictures show, or the fact is missing.")
            return
        seen = yield turns.code("Now I can work it out.", kind.program.format(*facts))
        result = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"From {facts[0]} and {facts[1]}: {result}.", result)

    def _plan(
        self, number: int, things: list[Thing], hung: list[Framed], asked: list[int], world: World
    ) -> Plan:
        kind, (one, other) = self.questions[number], (things[place] for place in asked)
        sticker, from_top = hung[asked[0]].sticker, sorted(asked, key=lambda place: hung[place].y)

        def twin(rng: random.Random) -> Plan:
            place = rng.choice(asked)
            new = rng.choice([thing for thing in self.things(world) if thing not in things])
            return self._plan(number, [*things[:place], new, *things[place + 1 :]], hung, asked, world)

        return Plan(
            key=key_of(one),
            further_keys=(key_of(other),),
            question=kind.wording.format(sticker),
            answer=Answer(
                str(kind.reckon(facts_of(one)[kind.fact], facts_of(other)[kind.fact])), unit=kind.unit
            ),
            draw=lambda rng: (self._photograph(things, hung, rng),),
            twin=twin,
            metadata={
                "kind": number,
                "sticker": sticker,
                "shown": [things[place].name for place in from_top],
            },
        )

    def _photograph(self, things: list[Thing], hung: list[Framed], rng: random.Random) -> EncodedImage:
        canvas = paint_wall(WIDTH, HEIGHT, SKIRTING, rng)
        for thing, framed in zip(things, hung, strict=True):
            paint_framed(canvas, framed, self.paint(thing, round(framed.width), round(framed.height)))
        return as_jpeg(daylight(canvas, rng, shade=rng.uniform(0.08, 0.16)), rng.randint(84, 92))


# Kept: the things of a world are few, and hang on wall after wall.
@lru_cache(maxsize=512)
def _paint_person(person: Thing, width: int, height: int) -> Image.Image:
    assert isinstance(person, Person)
    canvas = Canvas(width, height)
    paint_portrait(canvas, person.portrait, width / 2, height / 2, width)
    return canvas.finish()


@lru_cache(maxsize=512)
def _paint_artefact(artefact: Thing, width: int, height: int) -> Image.Image:
    assert isinstance(artefact, Artefact)
    canvas = Canvas(width, height)
    paint_exhibit(canvas, artefact.vessel, width / 2, height / 2, width)
    return canvas.finish()


PORTRAIT_GALLERY = GalleryWall(
    "portrait-gallery",
    lambda world: world.people,
    _paint_person,
    ASPECT,
    (
        Question(
            "born_on",
            "Two of these portraits have a {0} sticker below their frame. How many days lie between the"
            " births of the two sitters?",
            _days_between,
            _DAYS,
            "days",
        ),
        Question(
            "died_on",
            "Two of these portraits have a {0} sticker below their frame. How many days lie between the"
            " deaths of the two sitters?",
            _days_between,
            _DAYS,
            "days",
        ),
        Question(
            "born",
            "Two of these portraits have a {0} sticker below their frame. By how many years do the years of"
            " birth of the two sitters differ?",
            lambda one, other: abs(int(one) - int(other)),
            "print(abs({0} - {1}))",
            "years",
        ),
    ),
)

MUSEUM_WALL = GalleryWall(
    "museum-wall",
    lambda world: world.artefacts,
    _paint_artefact,
    1.0,
    (
        Question(
            "price",
            "Two of these photographs of museum pieces have a {0} sticker below their frame. How many crowns"
            " did the museums pay for the two pieces together?",
            lambda one, other: int(one) + int(other),
            "print({0} + {1})",
            "crowns",
        ),
        Question(
            "height",
            "Two of these photographs of museum pieces have a {0} sticker below their frame. By how many"
            " millimetres do the heights of the two real pieces differ?",
            lambda one, other: abs(int(one) - int(other)),
            "print(abs({0} - {1}))",
            "mm",
        ),
        Question(
            "acquired_on",
            "Two of these photographs of museum pieces have a {0} sticker below their frame. How many days"
            " lie between the purchases of the two pieces by their museums?",
            _days_between,
            _DAYS,
            "days",
        ),
    ),
)
