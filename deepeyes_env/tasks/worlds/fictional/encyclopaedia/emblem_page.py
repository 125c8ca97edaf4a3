"""Pages about the emblems of companies, with the emblem."""

from __future__ import annotations

import random
from functools import partial

from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.fictional.dates import day_in, written
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.pictures import emblem_picture
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.writing import page
from deepeyes_env.tasks.worlds.fictional.world import Company


def write(rng: random.Random, company: Company) -> Page:
    """The page about an emblem; the day of its registration is not the day of the founding."""
    registered = written(day_in(rng, company.founded + rng.randint(2, 9)))
    sentences = [
        f"The emblem of {company.name} of {company.town} was registered on {registered}.",
        rng.choice(
            (
                "It was stamped on every article and painted over the door of the works.",
                "It was cast in iron above the gate and printed on every bill.",
                "Travellers knew it from enamel signs along the roads.",
            )
        ),
        f"A court forbade an imitation in {company.founded + rng.randint(10, 40)}.",
    ]
    return page(rng, f"Emblem of {company.name}", sentences, partial(emblem_picture, company.emblem))
