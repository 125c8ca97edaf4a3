"""Search: which museum piece is this? And what the museum's records say of it."""

from __future__ import annotations

import random

from deepeyes_env.images import EncodedImage
from deepeyes_env.tasks.worlds.drawing.artefact import paint_exhibit
from deepeyes_env.tasks.worlds.drawing.rephotograph import rephotograph
from deepeyes_env.tasks.worlds.fictional.world import Artefact, World
from deepeyes_env.tasks.worlds.search.picture_fact import PictureFact

SIDE = 616


def photograph_exhibit(artefact: Artefact, shade: float, rng: random.Random) -> EncodedImage:
    """The vessel through the glass of its case."""
    return rephotograph(
        lambda canvas, x, y, width: paint_exhibit(canvas, artefact.vessel, x, y, width),
        SIDE,
        SIDE,
        shade,
        rng,
    )


def has_companion(artefact: Artefact, world: World) -> bool:
    """Whether there is a lesser piece from the same workshop, or a greater one."""
    stem = artefact.name.removeprefix("Lesser ")
    return stem != artefact.name or f"Lesser {stem}" in world.named


MUSEUM_PIECE = PictureFact(
    name="museum-piece",
    questions={
        "maker": "Who made this vessel?",
        "made": "In which year was this vessel made?",
        "acquired_on": "On which day, month and year did the museum buy this vessel?",
        "price": "How many crowns did the museum pay for this vessel?",
        "museum": "In which town is the museum that holds this vessel?",
        "height": "How high is this vessel in mm?",
        "inventory": "What is the inventory number of this vessel?",
    },
    things=lambda world: world.artefacts,
    has_double=has_companion,
    photograph=photograph_exhibit,
)
