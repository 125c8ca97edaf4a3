"""Pages about towns."""

from __future__ import annotations

import random

from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.fictional.dates import day_in, written
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.writing import listed, page, shuffled
from deepeyes_env.tasks.worlds.fictional.world import Town, World


def write(rng: random.Random, town: Town, world: World) -> Page:
    """The page about a town."""
    opening = rng.choice(
        (
            f"{town.name} is a town in {town.region} on the river {town.river}, {town.elevation} "
            "m above sea.",
            f"{town.name}, a town in {town.region}, lies {town.elevation} m above sea on the "
            f"river {town.river}.",
        )
    )
    charter, opened = written(town.chartered_on), written(town.landmark_opened_on)
    facts = [
        rng.choice(
            (
                f"It received its charter on {charter}.",
                f"Its charter bears the date of {charter}.",
                f"The charter was granted on {charter}.",
            )
        ),
        rng.choice(
            (
                f"The last census counted {town.population:,} inhabitants.",
                f"At the last census it had {town.population:,} inhabitants.",
            )
        ),
        rng.choice(
            (
                f"Its {town.landmark} is {town.landmark_height} m high and was opened on {opened}.",
                f"The {town.landmark}, {town.landmark_height} m high, was opened on {opened}.",
            )
        ),
        f"On the map of {town.region} it lies {town.east} km east and {town.north} km north of "
        "the lower left corner.",
    ]
    return page(
        rng,
        town.name,
        [opening, *shuffled(rng, facts, _asides(rng, town), 5), *_people_and_things(town, world)],
    )


def _asides(rng: random.Random, town: Town) -> list[str]:
    return [
        f"A second charter of {town.chartered + rng.randint(20, 90)} allowed the town to hold a "
        "fair every autumn.",
        f"The bridge over the {town.river} was swept away by a flood and rebuilt on "
        f"{written(day_in(rng, rng.randint(1600, 1890)))}.",
        f"The old town hall burnt down in {rng.randint(1560, 1850)}; only its clock was saved.",
        f"The {town.landmark} was struck by lightning on "
        f"{written(day_in(rng, town.landmark_opened + rng.randint(5, 60)))} and repaired within a year.",
        f"Market is held on {rng.choice(('Tuesdays', 'Thursdays', 'Saturdays'))} between the "
        f"{town.landmark} and the quay.",
        f"A railway station with {rng.randint(2, 7)} platforms stands {rng.randint(2, 9)} minutes "
        "from the market square.",
        "Local cooks are known for a pie of "
        f"{rng.choice(('eel', 'leek', 'quince', 'pike', 'cherry'))}, sold at {rng.randint(3, 24)} bakeries.",
    ]


def _people_and_things(town: Town, world: World) -> list[str]:
    sentences = []
    if makers := world.companies_in.get(town.name):
        sentences.append(f"Companies in {town.name}: {listed([each.name for each in makers[:5]])}.")
    if natives := world.natives_of.get(town.name):
        sentences.append(f"People from {town.name}: {listed([each.name for each in natives[:6]])}.")
    if exhibits := world.artefacts_in.get(town.name):
        sentences.append(f"Its museum shows the {listed([each.name for each in exhibits[:4]])}.")
    return sentences
