"""The pages of a world: what search finds. Wordings vary, and near-duplicates stand side by side."""

from __future__ import annotations

import random
from functools import partial

from deepeyes_env.images import EncodedImage
from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas
from deepeyes_env.tasks.worlds.drawing.emblem import Emblem, paint_emblem
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg
from deepeyes_env.tasks.worlds.fictional.world import Company, Person, Town, World, make_world

ADDRESS = "https://encyclopaedia.example/wiki/"
"""Pages live below a name that RFC 2606 reserves, so that no address can exist."""

EMBLEM_SIDE = 224
"""Side of an emblem's picture in pixels: 64 visual tokens."""

EMBLEM_SCALE = 0.86
"""Height of an emblem as a share of its picture; the questions' pictures frame it alike."""


def write_pages(seed: int) -> tuple[Page, ...]:
    """Every page of the world called `seed`; pictures are drawn when they are first looked at."""
    world = make_world(seed)
    rng = random.Random(f"encyclopaedia/{seed}")
    pages = [_town_page(rng, town, world) for town in world.towns]
    pages += [_person_page(rng, person, world) for person in world.people]
    pages += [_company_page(rng, company, world) for company in world.companies]
    pages += [_emblem_page(rng, company) for company in world.companies]
    pages += [_name_page(rng, stem, world) for stem in _shared_names(world)]
    return tuple(pages)


def emblem_picture(emblem: Emblem) -> EncodedImage:
    """The picture on an emblem's page."""
    canvas = Canvas(EMBLEM_SIDE, EMBLEM_SIDE, "#faf7f0")
    paint_emblem(canvas, emblem, EMBLEM_SIDE / 2, EMBLEM_SIDE / 2, EMBLEM_SIDE * EMBLEM_SCALE)
    return as_jpeg(canvas.finish(), 90)


def _page(
    rng: random.Random, title: str, sentences: list[str], picture: partial[EncodedImage] | None = None
) -> Page:
    date = f"{rng.randint(2009, 2024)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    return Page(title, ADDRESS + title.replace(" ", "_"), " ".join(sentences), date, picture)


def _town_page(rng: random.Random, town: Town, world: World) -> Page:
    makers = [company for company in world.companies if company.town == town.name]
    natives = [person for person in world.people if person.birthplace == town.name]
    sentences = [
        f"{town.name} is a town in {town.region} on the river {town.river}, {town.elevation} m above sea.",
        f"It received its charter in {town.chartered}.",
        f"The last census counted {town.population:,} inhabitants.",
        f"Its {town.landmark} is {town.landmark_height} m high and was opened in {town.landmark_opened}.",
    ]
    if makers:
        sentences.append(f"Companies in {town.name}: {', '.join(c.name for c in makers)}.")
    if natives:
        sentences.append(f"People from {town.name}: {', '.join(p.name for p in natives[:6])}.")
    middle = sentences[1:]
    rng.shuffle(middle)
    return _page(rng, town.name, [sentences[0], *middle])


def _person_page(rng: random.Random, person: Person, world: World) -> Page:
    companies = [company for company in world.companies if company.founder == person.name]
    article = "an" if person.profession[0] in "aeiou" else "a"
    opening = rng.choice(
        (
            f"{person.name} ({person.born}-{person.died}) was {article} {person.profession}"
            f" born in {person.birthplace}.",
            f"{person.name} was {article} {person.profession}, born in {person.birthplace} in {person.born}.",
        )
    )
    school = rng.choice([t for t in world.towns if t.name != person.birthplace])
    sentences = [f"{person.name.split()[0]} went to school in {school.name} and trained there for six years."]
    sentences.append(f"{person.name} died in {person.died}.")
    sentences += [f"{person.name} is remembered as the founder of {c.name} of {c.town}." for c in companies]
    rng.shuffle(sentences)
    return _page(rng, person.name, [opening, *sentences])


def _company_page(rng: random.Random, company: Company, world: World) -> Page:
    founding = rng.choice(
        (
            f"It was founded in {company.founded} by {company.founder}.",
            f"{company.founder} founded the company in {company.founded}.",
            f"The company was founded by {company.founder} in {company.founded}.",
        )
    )
    town = world.town_named[company.town]
    rest = [
        f"At its height in {company.peak} it employed {company.workers} workers.",
        f"Its works stood beside the {town.landmark}, which had been opened in {town.landmark_opened}.",
        f"A catalogue of {company.founded + rng.randint(5, 30)} lists {rng.randint(20, 300)} articles.",
    ]
    rng.shuffle(rest)
    opening = f"{company.name} was a maker of {company.product} in {company.town}, {town.region}."
    return _page(rng, company.name, [opening, founding, *rest])


def _emblem_page(rng: random.Random, company: Company) -> Page:
    registered = company.founded + rng.randint(2, 9)
    sentences = [
        f"The emblem of {company.name} of {company.town} was registered in {registered}.",
        "It was stamped on every article and painted over the door of the works.",
    ]
    return _page(rng, f"Emblem of {company.name}", sentences, partial(emblem_picture, company.emblem))


def _shared_names(world: World) -> list[str]:
    stems = [company.name.split()[0] for company in world.companies]
    return sorted({stem for stem in stems if stems.count(stem) > 1})


def _name_page(rng: random.Random, stem: str, world: World) -> Page:
    companies = [company.name for company in world.companies if company.name.split()[0] == stem]
    people = [person.name for person in world.people if person.name.split()[-1] == stem]
    sentences = [f"{stem} may refer to several companies: {', '.join(companies)}."]
    if people:
        sentences.append(f"It is also a family name: {', '.join(people)}.")
    return _page(rng, f"{stem} (disambiguation)", sentences)
