"""Pages about products, with the photograph from the catalogue."""

from __future__ import annotations

import random
from functools import partial

from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.fictional.dates import day_in, written
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.pictures import product_picture
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.writing import article, page, shuffled
from deepeyes_env.tasks.worlds.fictional.world import Product


def write(rng: random.Random, product: Product) -> Page:
    """The page about a product."""
    kind = article(product.look.kind)
    opening = rng.choice(
        (
            f"The {product.name} was {kind} made by {product.company}.",
            f"The {product.name}, {kind}, was made by {product.company} and sold all over the country.",
        )
    )
    launched = written(product.launched_on)
    facts = [
        rng.choice((f"It was first sold on {launched}.", f"The first one was sold on {launched}.")),
        rng.choice((f"It cost {product.price} pence at first.", f"At first it cost {product.price} pence.")),
        rng.choice((f"It weighed {product.weight:,} g.", f"Packed, it weighed {product.weight:,} g.")),
        f"In all, {product.sold} thousand were sold.",
    ]
    sentences = [opening, *shuffled(rng, facts, _asides(rng, product), 5)]
    return page(rng, product.name, sentences, partial(product_picture, product.look))


def _asides(rng: random.Random, product: Product) -> list[str]:
    later = product.launched + rng.randint(2, 20)
    return [
        f"The patent is dated {written(day_in(rng, product.launched - 1))}.",
        f"A cheaper one without ornament followed in {later} for {rng.randint(2, 90)} pence.",
        "The colours of the catalogue were called "
        f"{rng.choice(('sea mist', 'old brick', 'plum dusk', 'harvest'))} and "
        f"{rng.choice(('chalk', 'soot', 'moss', 'brass'))}.",
        f"At the fair of {later + rng.randint(1, 9)} it won a medal ahead of {rng.randint(3, 40)} others.",
        f"Collectors pay up to {rng.randint(3, 90)} crowns for one in its box.",
        f"One in {rng.randint(12, 90)} was returned with a dent.",
    ]
