"""All pages of a world."""

from __future__ import annotations

import random

from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.fictional.encyclopaedia import (
    artefact_page,
    company_page,
    disambiguation,
    document_page,
    emblem_page,
    lists,
    obituary,
    person_page,
    product_page,
    region_page,
    species_page,
    town_page,
)
from deepeyes_env.tasks.worlds.fictional.world import make_world


def write_pages(seed: int) -> tuple[Page, ...]:
    """Every page of the world called `seed`; pictures are drawn when they are first looked at."""
    world = make_world(seed)
    rng = random.Random(f"encyclopaedia/{seed}")
    pages = [town_page.write(rng, town, world) for town in world.towns]
    pages += [person_page.write(rng, person, world) for person in world.people]
    pages += [company_page.write(rng, company, world) for company in world.companies]
    pages += [emblem_page.write(rng, company) for company in world.companies]
    pages += [species_page.write(rng, species, world) for species in world.species]
    pages += [artefact_page.write(rng, artefact, world) for artefact in world.artefacts]
    pages += [product_page.write(rng, product) for product in world.products]
    pages += [document_page.write(rng, document) for document in world.documents]
    pages += [region_page.write(rng, region, world) for region in world.towns_in]
    pages += obituary.write_all(rng, world)
    pages += disambiguation.write_all(rng, world)
    pages += lists.write_all(rng, world)
    return tuple(pages)
