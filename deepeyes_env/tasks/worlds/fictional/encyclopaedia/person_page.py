"""Pages about people, with their portraits."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import partial

from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.fictional.dates import written
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.pictures import portrait_picture
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.writing import article, listed, page, shuffled
from deepeyes_env.tasks.worlds.fictional.world import Person, World


def write(rng: random.Random, person: Person, world: World) -> Page:
    """The page about a person."""
    born, died, trade = written(person.born_on), written(person.died_on), article(person.profession)
    opening = rng.choice(
        (
            f"{person.name} ({born} – {died}) was {trade} born in {person.birthplace}.",
            f"{person.name} was {trade}, born in {person.birthplace} on {born}.",
            f"Born in {person.birthplace} on {born}, {person.name} became {trade}.",
        )
    )
    facts = [_death(rng, person, died), _grave(rng, person), *_relations(rng, person)]
    facts += [
        f"{person.name} is remembered as the founder of {company.name} of {company.town}."
        for company in world.companies_of.get(person.name, [])
    ]
    if pupils := world.pupils_of.get(person.name):
        facts.append(
            f"Those who learned from {person.family_name} include "
            f"{listed([each.name for each in pupils[:3]])}."
        )
    if described := world.species_of.get(person.name):
        facts.append(
            f"{person.family_name} also collected, and described "
            f"{listed([each.name for each in described[:3]])}."
        )
    sentences = [opening, *shuffled(rng, facts, _asides(rng, person, world), 6)]
    return page(rng, person.name, sentences, partial(portrait_picture, person.portrait))


def _death(rng: random.Random, person: Person, died: str) -> str:
    he = _he(person)
    return rng.choice(
        (
            f"{he.capitalize()} died on {died}.",
            f"{person.family_name} died on {died} after a short illness.",
            f"{person.name} died on {died} at the age of {_age(person)}.",
        )
    )


def _grave(rng: random.Random, person: Person) -> str:
    he, his = _he(person), _his(person)
    if person.burial is None:
        return rng.choice(
            (
                f"{his.capitalize()} place of burial is not recorded.",
                f"Where {he} is buried is not recorded, for the registers were lost in a flood.",
            )
        )
    return rng.choice(
        (
            f"{he.capitalize()} is buried in {person.burial}.",
            f"{his.capitalize()} grave lies in {person.burial}.",
        )
    )


def _relations(rng: random.Random, person: Person) -> list[str]:
    he, his, him = _he(person), _his(person), "her" if person.woman else "him"
    sentences = []
    if person.sibling:
        kin = "sister" if person.woman else "brother"
        sentences.append(
            rng.choice(
                (
                    f"{his.capitalize()} {kin} {person.sibling} is often mistaken for {him}.",
                    f"{person.sibling}, {his} {kin}, kept all the letters of the family.",
                )
            )
        )
    if person.teacher:
        sentences.append(
            rng.choice(
                (
                    f"{he.capitalize()} learned the trade from {person.teacher}.",
                    f"{he.capitalize()} was a pupil of {person.teacher}.",
                    f"{person.teacher} taught {him} for several years.",
                )
            )
        )
    return sentences


def _asides(rng: random.Random, person: Person, world: World) -> list[str]:
    towns = [
        town.name
        for town in rng.sample(world.towns, 4)
        if town.name not in (person.birthplace, person.burial)
    ]
    he, his = _he(person), _his(person)
    first = person.name.split()[0]
    baptised = person.born_on + timedelta(days=rng.randint(3, 40))
    return [
        f"{first} went to school in {towns[0]} and trained there for {rng.randint(3, 8)} years.",
        f"The parish book names {written(baptised)} as the day of {his} baptism.",
        f"{he.capitalize()} married in {person.born + rng.randint(21, 39)} and had "
        f"{rng.randint(2, 9)} children.",
        f"From {person.born + rng.randint(40, 46)} {he} sat on the council of {towns[-1]}.",
        f"A street in {towns[1]} has borne {his} name since {person.died + rng.randint(3, 60)}.",
        f"{his.capitalize()} diary of {rng.randint(120, 980)} pages was printed in "
        f"{person.died + rng.randint(2, 30)}.",
        f"The portrait shows {first} at about {rng.randint(28, 49)} and hung for years in an inn "
        f"at {towns[0]}.",
        f"A medal was struck for {person.family_name} in {person.born + rng.randint(41, 50)}, of "
        f"which {rng.randint(3, 90)} copies are left.",
    ]


def _he(person: Person) -> str:
    return "she" if person.woman else "he"


def _his(person: Person) -> str:
    return "her" if person.woman else "his"


def _age(person: Person) -> int:
    had_birthday = (person.died_on.month, person.died_on.day) >= (person.born_on.month, person.born_on.day)
    return person.died - person.born - (not had_birthday)
