import itertools

import pytest

from deepeyes_env.images import EncodedImage
from deepeyes_env.search.base import SearchEngine
from deepeyes_env.tasks.worlds.fictional.dates import read
from deepeyes_env.tasks.worlds.fictional.encyclopaedia import write_pages
from deepeyes_env.tasks.worlds.fictional.facts import NOT_RECORDED, Thing, facts_of
from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld
from deepeyes_env.tasks.worlds.fictional.world import make_world
from deepeyes_env.tasks.worlds.oracles.lookup import FACTS, fact

WORLD = make_world(0)
PAGES = {page.title: page for page in write_pages(0)}
THINGS: tuple[Thing, ...] = (
    *WORLD.towns,
    *WORLD.people,
    *WORLD.companies,
    *WORLD.species,
    *WORLD.artefacts,
    *WORLD.products,
)


@pytest.fixture(scope="module")
def engine() -> SearchEngine:
    found = FictionalWorld(0).search_engine()
    assert found is not None
    return found


def test_names_are_unique() -> None:
    names = [thing.name for thing in THINGS]
    assert len(set(names)) == len(names)
    assert len(PAGES) == len(write_pages(0))


def test_emblems_are_unique_and_some_are_easily_mistaken() -> None:
    emblems = [company.emblem for company in WORLD.companies]
    assert len(set(emblems)) == len(emblems)
    assert any("(disambiguation)" in title for title in PAGES)


def test_no_picture_is_drawn_twice() -> None:
    for looks in (
        [person.portrait for person in WORLD.people],
        [species.specimen for species in WORLD.species],
        [artefact.vessel for artefact in WORLD.artefacts],
        [product.look for product in WORLD.products],
    ):
        assert len(set(looks)) == len(looks)


def test_lives_are_possible() -> None:
    for company in WORLD.companies:
        founder = WORLD.person_named[company.founder]
        assert founder.born < company.founded <= founder.died
        assert company.town in WORLD.town_named
        assert founder.birthplace in WORLD.town_named
        assert company.rival is None or WORLD.company_named[company.rival].rival == company.name
    for person in WORLD.people:
        assert person.born_on < person.died_on
        if person.sibling:
            sibling = WORLD.person_named[person.sibling]
            assert (sibling.sibling, sibling.birthplace) == (person.name, person.birthplace)
            assert sibling.family_name == person.family_name
        assert person.teacher is None or WORLD.person_named[person.teacher].born <= person.born - 20
    for artefact in WORLD.artefacts:
        assert WORLD.person_named[artefact.maker].died < artefact.acquired


def test_every_page_says_what_is_true() -> None:
    for thing in THINGS:
        for name, value in facts_of(thing).items():
            assert fact(PAGES[thing.name].body, name) == value, (thing.name, name)


def test_every_fact_is_asked_for_and_some_are_not_recorded() -> None:
    held = [facts_of(thing) for thing in THINGS]
    assert set(FACTS) == {name for facts in held for name in facts}
    for name in ("burial", "closed", "altitude", "weight"):
        values = [facts[name] for facts in held if name in facts]
        assert 0.1 < values.count(NOT_RECORDED) / len(values) < 0.45
    days = [value for facts in held for name, value in facts.items() if name.endswith("_on")]
    assert len({read(day) for day in days}) > 0.9 * len(days)


@pytest.mark.parametrize("part", range(3))
def test_every_fact_can_be_looked_up(engine: SearchEngine, part: int) -> None:
    for thing in THINGS[part::9]:
        for name, value in facts_of(thing).items():
            hits = engine.search_text(f"{thing.name} {FACTS[name].words}").hits
            shown = [hit.snippet for hit in hits if hit.title == thing.name]
            assert shown, (thing.name, name)
            assert fact(shown[0], name) == value, (thing.name, name, shown)


def test_pages_are_of_the_length_of_articles() -> None:
    lengths = [len(PAGES[thing.name].body.split()) for thing in THINGS]
    assert min(lengths) > 60
    assert 90 < sum(lengths) / len(lengths) < 250


def test_pages_live_below_a_reserved_name() -> None:
    assert all(page.url.startswith("https://encyclopaedia.example/wiki/") for page in PAGES.values())


def test_a_question_finds_its_page_among_those_that_mislead(engine: SearchEngine) -> None:
    for company in WORLD.companies:
        hits = engine.search_text(f"In which year was {company.name} founded?").hits
        assert company.name in [hit.title for hit in hits[:3]]


def test_every_picture_finds_its_own_page_first(engine: SearchEngine) -> None:
    pictured = [page for page in PAGES.values() if page.picture is not None]
    assert len(pictured) > 400
    for page in itertools.islice(pictured, 0, None, 4):
        assert page.picture is not None
        shown = page.picture()
        assert isinstance(shown, EncodedImage)
        assert engine.search_image(shown.decode()).hits[0].title == page.title
