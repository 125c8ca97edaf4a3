"""Pages about museum objects, with their photographs."""

from __future__ import annotations

import random
from functools import partial

from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.fictional.dates import day_in, written
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.pictures import exhibit_picture
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.writing import article, page, shuffled
from deepeyes_env.tasks.worlds.fictional.world import Artefact, World


def write(rng: random.Random, artefact: Artefact, world: World) -> Page:
    """The page about an artefact."""
    kind, bought = article(artefact.vessel.kind), written(artefact.acquired_on)
    opening = rng.choice(
        (
            f"The {artefact.name} is {kind} made by {artefact.maker} in {artefact.made}.",
            f"The {artefact.name} is {kind}. It was made in {artefact.made} by {artefact.maker}.",
        )
    )
    facts = [
        rng.choice(
            (
                f"The museum of {artefact.museum} bought it on {bought} for {artefact.price:,} crowns.",
                f"It was bought on {bought} by the museum of {artefact.museum}, which paid "
                f"{artefact.price:,} crowns.",
            )
        ),
        rng.choice(
            (f"It is {artefact.height} mm high.", f"The vessel is {artefact.height} mm high without its lid.")
        ),
        rng.choice(
            (
                f"Its inventory number is {artefact.inventory}.",
                f"The inventory number is {artefact.inventory} and stands under the foot.",
            )
        ),
        _weight(rng, artefact),
    ]
    sentences = [opening, *shuffled(rng, facts, _asides(rng, artefact, world), 6)]
    return page(rng, artefact.name, sentences, partial(exhibit_picture, artefact.vessel))


def _weight(rng: random.Random, artefact: Artefact) -> str:
    if artefact.weight is None:
        return rng.choice(
            ("Its weight is not recorded.", "What it weighs is not recorded, as it may not be lifted.")
        )
    return rng.choice((f"It weighs {artefact.weight:,} g.", f"Empty, it weighs {artefact.weight:,} g."))


def _asides(rng: random.Random, artefact: Artefact, world: World) -> list[str]:
    elder = artefact.name.removeprefix("Lesser ")
    twins = [
        each.name for each in world.artefacts if each.name != artefact.name and each.name.endswith(elder)
    ]
    lent = day_in(rng, artefact.acquired + rng.randint(3, 30))
    sentences = [
        f"It was insured for {rng.randint(120, 9800):,} crowns when it was lent to "
        f"{rng.choice(world.towns).name} on {written(lent)}.",
        f"A crack was mended in {artefact.acquired + rng.randint(2, 40)} with {rng.randint(2, 7)} rivets.",
        f"A copy of {artefact.made + rng.randint(20, 80)} stands in a private house and is "
        f"{rng.randint(2, 9)} mm smaller.",
        f"The painting was done with a brush of {rng.choice(('badger', 'squirrel', 'goat'))} hair "
        f"in {rng.randint(2, 5)} firings.",
        f"{rng.randint(3, 90)} thousand visitors saw it in its first year.",
        "For a time it served as an umbrella stand, which explains the scratches inside.",
        f"A catalogue of {artefact.acquired + rng.randint(1, 30)} devotes {rng.randint(2, 9)} pages to it.",
    ]
    if twins:
        sentences.append(f"It must not be confused with the {twins[0]}.")
    return sentences
