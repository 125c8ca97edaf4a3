"""Lists: pages that name many things and say little about each."""

from __future__ import annotations

import random

from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.writing import listed, page
from deepeyes_env.tasks.worlds.fictional.world import World, grouped


def write_all(rng: random.Random, world: World) -> list[Page]:
    """Lists of towers, of professions, of trades, of genera and of collections."""
    pages = []
    for region, towns in world.towns_in.items():
        towers = [f"the {town.landmark} of {town.name}" for town in towns]
        sentences = [
            f"The towers of {region} are {listed(towers)}.",
            "Most can be climbed in summer for a small fee.",
        ]
        pages.append(page(rng, f"Towers of {region}", sentences))
    for profession, people in sorted(grouped(world.people, lambda person: person.profession).items()):
        names = [f"{person.name} ({person.born}-{person.died})" for person in people[:12]]
        pages.append(
            page(rng, f"List of {profession}s", [f"Well-known people of this profession: {listed(names)}."])
        )
    for product, companies in sorted(grouped(world.companies, lambda company: company.product).items()):
        makers = [f"{company.name} of {company.town}" for company in companies[:12]]
        pages.append(page(rng, f"Makers of {product}", [f"They were {listed(makers)}."]))
    for genus, species in sorted(grouped(world.species, lambda species: species.name.split()[0]).items()):
        if len(species) > 1:
            pages.append(
                page(
                    rng,
                    genus,
                    [f"{genus} is a genus with {len(species)} species: {listed([s.name for s in species])}."],
                )
            )
    for town, artefacts in world.artefacts_in.items():
        names = [f"the {artefact.name}" for artefact in artefacts]
        pages.append(
            page(
                rng,
                f"Collection of {town}",
                [f"The museum's best pieces are {listed(names)}.", f"It opens at {rng.randint(9, 11)}."],
            )
        )
    return pages
