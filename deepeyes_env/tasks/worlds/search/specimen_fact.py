"""Search: which species does this plate show? And a fact about it."""

from __future__ import annotations

import random

from deepeyes_env.images import EncodedImage
from deepeyes_env.tasks.worlds.drawing.rephotograph import rephotograph
from deepeyes_env.tasks.worlds.drawing.specimen import paint_specimen
from deepeyes_env.tasks.worlds.fictional.world import Species, World
from deepeyes_env.tasks.worlds.search.picture_fact import PictureFact

SIDE = 616


def photograph_specimen(species: Species, shade: float, rng: random.Random) -> EncodedImage:
    """The plate as it lies in a library."""
    return rephotograph(
        lambda canvas, x, y, width: paint_specimen(canvas, species.specimen, x, y, width),
        SIDE,
        SIDE,
        shade,
        rng,
    )


def has_cousin(species: Species, world: World) -> bool:
    """Whether another species has the same genus."""
    genus = species.name.split()[0]
    return sum(each.name.split()[0] == genus for each in world.species) > 1


SPECIMEN_FACT = PictureFact(
    name="specimen-fact",
    questions={
        "described_by": "Who first described the species on this plate?",
        "described": "In which year was the species on this plate first described?",
        "found_near": "Near which town was the species on this plate first found?",
        "size": "What is the span in mm that is given for the species on this plate?",
        "counted": "How many of the species on this plate did the last survey count?",
        "altitude": "At what altitude, in metres, was the highest find of the species on this plate?",
        "common": "What is the English name of the species on this plate?",
    },
    things=lambda world: world.species,
    has_double=has_cousin,
    photograph=photograph_specimen,
)
