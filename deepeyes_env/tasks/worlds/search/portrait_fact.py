"""Search: who is this? And a fact of that person's life."""

from __future__ import annotations

import random

from deepeyes_env.images import EncodedImage
from deepeyes_env.tasks.worlds.drawing.portrait import ASPECT, paint_portrait
from deepeyes_env.tasks.worlds.drawing.rephotograph import rephotograph
from deepeyes_env.tasks.worlds.fictional.world import Person
from deepeyes_env.tasks.worlds.search.picture_fact import PictureFact

WIDTH = 448


def photograph_portrait(person: Person, shade: float, rng: random.Random) -> EncodedImage:
    """The painting as a visitor photographed it."""
    return rephotograph(
        lambda canvas, x, y, width: paint_portrait(canvas, person.portrait, x, y, width),
        WIDTH,
        round(WIDTH * ASPECT),
        shade,
        rng,
    )


PORTRAIT_FACT = PictureFact(
    name="portrait-fact",
    questions={
        "birthplace": "In which town was the person in this portrait born?",
        "born": "In which year was the person in this portrait born?",
        "died_on": "On which day, month and year did the person in this portrait die?",
        "teacher": "Who taught the person in this portrait?",
        "burial": "In which town is the person in this portrait buried?",
    },
    things=lambda world: world.people,
    has_double=lambda person, world: person.sibling is not None,
    photograph=photograph_portrait,
)
