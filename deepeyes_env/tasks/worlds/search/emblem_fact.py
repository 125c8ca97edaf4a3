"""Search: whose emblem is this, and a fact about the company."""

from __future__ import annotations

import random

from deepeyes_env.images import EncodedImage
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.emblem import paint_emblem
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.fictional.encyclopaedia import EMBLEM_SCALE
from deepeyes_env.tasks.worlds.fictional.world import Company, World
from deepeyes_env.tasks.worlds.search.picture_fact import PictureFact

SIDE = 700

WALLS = ("#e9e0cd", "#d9d4c8", "#efe8e0", "#dfe3e0", "#e6d9c6")
"""Plaster on which the sign hangs."""


def photograph_emblem(company: Company, shade: float, rng: random.Random) -> EncodedImage:
    """The emblem as a painted sign on a plastered wall."""
    wall = rng.choice(WALLS)
    canvas = Canvas(SIDE, SIDE, wall)
    for _ in range(28):
        x, y = rng.uniform(0, SIDE), rng.uniform(0, SIDE)
        tone = mix(wall, "black" if rng.random() < 0.5 else "white", 0.5)
        canvas.circle(x, y, rng.uniform(10, 90), tone, alpha=0.045)
    for _ in range(5):
        x, y = rng.uniform(0, SIDE), rng.uniform(0, SIDE)
        crack = [(x + step * 14, y + rng.uniform(-9, 9) + step * 5) for step in range(9)]
        canvas.line(crack, mix(wall, "black", 0.35), 1.1, alpha=0.5)
    paint_emblem(canvas, company.emblem, SIDE / 2, SIDE / 2, SIDE * EMBLEM_SCALE * rng.uniform(0.97, 1.02))
    return as_jpeg(daylight(canvas, rng, shade=shade), rng.randint(60, 88))


def is_mistakable(company: Company, world: World) -> bool:
    """Whether another company's emblem differs in its charge alone, or in its division alone."""
    return company.name in world.mistakable


EMBLEM_FACT = PictureFact(
    name="emblem-fact",
    questions={
        "founded": "In which year was the company with this emblem founded?",
        "founder": "Who founded the company that used this emblem?",
        "town": "In which town did the company with this emblem have its works?",
        "workers": "How many workers did the company with this emblem employ at its height?",
        "rival": "Which company was the rival of the one with this emblem?",
    },
    things=lambda world: world.companies,
    has_double=is_mistakable,
    photograph=photograph_emblem,
)
