"""Two families with one question, "What digit is on the red card?": only the picture tells what it takes.

* `closer-look`: the card is 28 pixels wide on a 448-pixel canvas. A policy that sees the canvas at 112
  pixels cannot read it, but a crop of the card is enlarged to 56 pixels, and then it can.
* `at-a-glance`: the card is eight times larger and readable at once. A closer look at a corner of it shows
  bare card.

So a policy has to learn when to look closer. The sizes are chosen for Qwen2.5-VL's 28-pixel visual tokens: a
cell of the canvas in view, an enlarged small card and a large card in view all fill whole tokens, because
digits that move against the token grid were not learned in minutes (stack notes section 3.2). The large card
in the 112-pixel view and the enlarged small card are the same 56-pixel picture, so one skill reads both.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from deepeyes_env.images import PATCH_FACTOR, EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles.turns import UNKNOWN, answer, code

if TYPE_CHECKING:
    from deepeyes_env.tasks.worlds.fictional.world import World

CANVAS = 448
"""Side of a picture in pixels."""

CELLS = 4
"""The canvas is a grid of 4 x 4 cells; finer grids took too long to learn (stack notes section 3.2)."""

CELL = CANVAS // CELLS
"""Side of a cell in pixels: one visual token of the 112-pixel view."""

CARD = PATCH_FACTOR
"""Side of a small card in pixels."""

LARGE = 8
"""How many times larger the card of `at-a-glance` is: 224 pixels, 56 in the 112-pixel view."""

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (196, 32, 48),
    "green": (10, 104, 52),
    "blue": (16, 28, 112),
    "purple": (88, 12, 104),
}
"""Card colours, dark against the pastel canvas."""

INK = (255, 255, 255)
"""Colour of the digits."""

CORNERS = (((250, 245, 238), (60, 245, 238)), ((250, 60, 238), (60, 60, 238)))
"""Canvas colours at the four corners: cream, aqua, pink, indigo.

The gradient tells where one is, because Qwen2.5-VL's vision tower knows only relative positions. Red fades to
the right and green fades downwards, each by nearly 190 levels: with half of that, in channels that both axes
shared, a tiny model took three times as long to point at a card (lab, 300 steps against 100)."""

GLYPHS = (
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00110 01000 10000 11111",
    "11110 00001 00001 01110 00001 00001 11110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)
"""The digits 0-9, 5 columns by 7 rows (the HD44780 character ROM)."""

LEAST_BUBBLES, MOST_BUBBLES = 3, 6
"""Soft bubbles on the canvas."""

Box = tuple[int, int, int, int]
"""Left, upper, right, lower in pixels, as PIL's `crop` takes it."""


@dataclass(frozen=True, slots=True)
class CardPicture:
    """Everything a picture shows.

    Attributes:
        digit: The digit on the card.
        colour: The card's colour, a key of `COLOURS`.
        scale: 1 for a small card, `LARGE` for a large one.
        left: The card's left edge in pixels.
        top: The card's upper edge in pixels.
        decoration: Seeds the light and the bubbles of the background.
        bubbles: Most bubbles.
    """

    digit: int
    colour: str
    scale: int
    left: int
    top: int
    decoration: int
    bubbles: int = MOST_BUBBLES

    @property
    def look_box(self) -> Box:
        """Where a closer look goes: the small card; or the middle of the large card's upper left cell."""
        inset = (CELL - CARD) // 2
        left, top = (self.left, self.top) if self.scale == 1 else (self.left + inset, self.top + inset)
        return left, top, left + CARD, top + CARD


def random_picture(rng: random.Random, *, large: bool, bubbles: int = MOST_BUBBLES) -> CardPicture:
    """Draw digit, colour, place and decoration, each independently and uniformly.

    Args:
        rng: The only source of chance.
        large: Whether the card can be read at a glance.
        bubbles: Most bubbles.
    """
    if large:
        left, top = (CELL * rng.randrange(CELLS - LARGE * CARD // CELL + 1) for _ in range(2))
    else:
        left, top = (CELL * rng.randrange(CELLS) + (CELL - CARD) // 2 for _ in range(2))
    return CardPicture(
        digit=rng.randrange(10),
        colour=rng.choice(tuple(COLOURS)),
        scale=LARGE if large else 1,
        left=left,
        top=top,
        decoration=rng.getrandbits(48),
        bubbles=bubbles,
    )


def paint(picture: CardPicture) -> Image.Image:
    """Paint a picture: `CANVAS` x `CANVAS`, RGB, the same bytes every time."""
    canvas = _background(random.Random(picture.decoration), picture.bubbles)
    card, mask = _card(picture.digit, picture.colour, picture.scale)
    canvas.paste(card, (picture.left, picture.top), mask)
    return canvas


def question(colour: str) -> str:
    """The question of both families."""
    return f"What digit is on the {colour} card?"


def where_question(colour: str) -> str:
    """Asks for the box of a small card; not a task, but part of what a model needs eyes for."""
    return f"Where is the {colour} card?"


def box_text(box: Box) -> str:
    """A box as the model reads and writes it, the same way in a chat as in `Image.crop(box=...)`."""
    return f"box=({','.join(map(str, box))})"


def crop_code(box: Box) -> str:
    """The program that looks closer at `box`."""
    return f"image_1.crop({box_text(box)}).show()"


class _Cards:
    """What both families share."""

    name: str
    tools: frozenset[str]
    large: bool
    skills = frozenset({Skill.PERCEPTION})

    knobs: Mapping[str, Knob] = {"bubbles": Knob(3, 9, "most bubbles of light on the canvas")}

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """Draw one task; every fictional world has the same cards."""
        return _plan(random_picture(rng, large=self.large, bubbles=int(knobs["bubbles"])))


class CloserLook(_Cards):
    """The card is too small for the policy's view."""

    name = "closer-look"
    tools = frozenset({"code"})
    large = False

    def oracle(self, task: Task) -> Oracle:
        """Crop the card, then answer; `unknown` when no picture came back."""
        picture = picture_of(task.metadata)
        observation = yield code(looking(picture), crop_code(picture.look_box))
        yield answer(READ_THOUGHT, str(picture.digit) if observation.images else UNKNOWN)


class AtAGlance(_Cards):
    """The card is large enough to be read without a tool."""

    name = "at-a-glance"
    tools: frozenset[str] = frozenset()
    large = True

    def oracle(self, task: Task) -> Oracle:
        """Answer at once."""
        picture = picture_of(task.metadata)
        yield answer(reading(picture), str(picture.digit))


READ_THOUGHT = "I can read it."
"""Reasoning after a closer look, or after an error."""

CLOSER_LOOK = CloserLook()
AT_A_GLANCE = AtAGlance()


def _plan(picture: CardPicture) -> Plan:
    def twin(rng: random.Random) -> Plan:
        return _plan(replace(picture, digit=rng.randrange(10)))

    return Plan(
        key=str(picture.decoration),
        question=question(picture.colour),
        answer=Answer(str(picture.digit)),
        draw=lambda rng: (EncodedImage.from_pil(paint(picture)),),
        twin=twin,
        metadata=asdict(picture),
    )


def looking(picture: CardPicture) -> str:
    """Reasoning before a closer look: what is seen at once, then what to do about it."""
    return f"It is {_size(picture)}, let me look closer."


def reading(picture: CardPicture) -> str:
    """Reasoning before an answer at once.

    It differs from `looking` right after the size. There a tiny model decides by the word it has just
    written, and DAPO changes that within minutes; one word later it did not in thirty steps (lab).
    """
    return f"It is {_size(picture)}. {READ_THOUGHT}"


def _size(picture: CardPicture) -> str:
    return "small" if picture.scale == 1 else "large"


def picture_of(metadata: Mapping[str, Any]) -> CardPicture:
    """The picture that a card task's metadata describes."""
    return CardPicture(**metadata)


def _background(rng: random.Random, bubbles: int) -> Image.Image:
    """The gradient under a changing light, with a few soft bubbles. None of it depends on the digit."""
    light = rng.randrange(-6, 7)
    canvas = Image.fromarray(np.clip(_gradient() + light, 0, 255).astype(np.uint8))
    for _ in range(rng.randint(LEAST_BUBBLES, bubbles)):
        radius = rng.randrange(8, 29)
        corner = (rng.randrange(CANVAS) - radius, rng.randrange(CANVAS) - radius)
        canvas.paste((255, 255, 255), corner, _bubble(radius))
    return canvas


@cache
def _gradient() -> np.ndarray:
    """Bilinear blend of `CORNERS`, int16 `[CANVAS, CANVAS, 3]`."""
    corners = np.asarray(CORNERS, dtype=np.float64)
    right = np.linspace(0, 1, CANVAS)[None, :, None]
    down = np.linspace(0, 1, CANVAS)[:, None, None]
    upper = corners[0, 0] * (1 - right) + corners[0, 1] * right
    lower = corners[1, 0] * (1 - right) + corners[1, 1] * right
    return (upper * (1 - down) + lower * down).round().astype(np.int16)


@cache
def _bubble(radius: int) -> Image.Image:
    """A translucent disc with a soft rim, as a mask."""
    offsets = np.arange(2 * radius) - radius + 0.5
    distance = np.hypot(offsets[:, None], offsets[None, :])
    return Image.fromarray((np.clip((radius - distance) / 4, 0, 1) * 60).astype(np.uint8))


@cache
def _card(digit: int, colour: str, scale: int) -> tuple[Image.Image, Image.Image]:
    """A card with its digit in the middle, and its mask with round corners."""
    side, fine = CARD * scale, 4
    mask = Image.new("L", (side * fine, side * fine))
    corner = 5 * scale * fine
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, side * fine - 1, side * fine - 1), radius=corner, fill=255)
    card = Image.new("RGB", (side, side), COLOURS[colour])
    bits = np.array([[int(bit) for bit in row] for row in GLYPHS[digit].split()], dtype=np.uint8) * 255
    glyph = Image.fromarray(bits.repeat(scale, axis=0).repeat(scale, axis=1))
    card.paste(INK, ((CARD - 5) // 2 * scale, (CARD - 7) // 2 * scale), glyph)
    return card, mask.resize((side, side), Image.Resampling.BOX)
