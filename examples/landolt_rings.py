"""A task source of one's own: optician's rings, too small to be read without a closer look.

A ring (Landolt's, ISO 8596: its stroke and its gap are a fifth of its diameter) lies somewhere on a large
picture. Its four directions have the same ink, so that nothing but the gap tells them apart. The environment
shows the picture at a sixth of its size, where the gap is a third of a pixel; a crop of the right cell shows it.
"""

from __future__ import annotations

import functools
import random

from PIL import Image, ImageDraw

from deepeyes_env import Answer, EncodedImage, EnvConfig, Skill, Task
from deepeyes_env.task import Split
from deepeyes_env.wrappers.menu import Menu, answer_options, crop_cells

CELLS, CELL = 3, 112
"""The picture is a grid of 3 x 3 cells of 112 pixels."""

STROKE = 2
"""Stroke and gap of a ring in pixels."""

DIRECTIONS = ("right", "down", "left", "up")

SETTINGS = EnvConfig(
    prompt="minimal",
    tools=frozenset({"code"}),
    max_turns=3,
    max_pixels=56 * 56,  # what the policy sees at first
    tool_max_pixels=56 * 56,  # what it sees of a crop: half the size
    sandbox_pixels="original",  # what its code works on
)

LOOK_AND_ANSWER: Menu = (*crop_cells(CELLS, CELLS), *answer_options(DIRECTIONS))
ANSWER_ONLY: Menu = answer_options(DIRECTIONS)


class LandoltRings:
    """Endless tasks: place, direction and colours are drawn from the index."""

    name = "landolt-rings"

    def size(self, split: Split) -> int | None:
        """None: there is always another one."""
        return None

    def task(self, index: int, split: Split = "train") -> Task:
        """The task at `index`; splits have tasks of their own."""
        return _task(index, split)

    def search_engine(self) -> None:
        """There is nothing to be searched."""


@functools.lru_cache(maxsize=64)
def _task(index: int, split: Split) -> Task:
    rng = random.Random(f"landolt-rings/{split}/{index}")
    direction = rng.randrange(4)
    return Task(
        id=f"landolt-rings/{split}/{index}",
        question="On which side is the ring open?",
        images=(EncodedImage.from_pil(_picture(rng, direction)),),
        answer=Answer(DIRECTIONS[direction]),
        skills=frozenset({Skill.PERCEPTION}),
    )


def _picture(rng: random.Random, direction: int) -> Image.Image:
    picture = Image.new("RGB", (CELLS * CELL, CELLS * CELL), tuple(rng.randrange(190, 256) for _ in range(3)))
    card = Image.new("RGB", (28, 28), tuple(rng.randrange(0, 70) for _ in range(3)))
    card.paste((255, 255, 255), (9, 9), _ring().rotate(-90 * direction))
    place = (CELL * rng.randrange(CELLS) + rng.randrange(28, 57) for _ in range(2))
    picture.paste(card, tuple(place))
    return picture


@functools.cache
def _ring() -> Image.Image:
    """A mask, open on the right, drawn finely and made small."""
    fine, side = 16, 5 * STROKE
    mask = Image.new("L", (side * fine, side * fine))
    draw = ImageDraw.Draw(mask)
    draw.ellipse((0, 0, side * fine - 1, side * fine - 1), outline=255, width=STROKE * fine)
    middle = side * fine / 2
    draw.rectangle((middle, middle - STROKE * fine / 2, side * fine, middle + STROKE * fine / 2 - 1), fill=0)
    return mask.resize((side, side), Image.Resampling.BOX)
