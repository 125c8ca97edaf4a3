import pytest

from deepeyes_env.images import EncodedImage
from deepeyes_env.search.base import SearchEngine
from deepeyes_env.tasks.worlds.fictional.encyclopaedia import write_pages
from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld
from deepeyes_env.tasks.worlds.fictional.world import make_world
from deepeyes_env.tasks.worlds.oracles.lookup import fact

WORLD = make_world(3)
PAGES = {page.title: page for page in write_pages(3)}


@pytest.fixture(scope="module")
def engine() -> SearchEngine:
    found = FictionalWorld(3).search_engine()
    assert found is not None
    return found


def test_names_are_unique() -> None:
    names = [thing.name for things in (WORLD.towns, WORLD.people, WORLD.companies) for thing in things]
    assert len(set(names)) == len(names)
    assert len(PAGES) == len(write_pages(3))


def test_emblems_are_unique_and_some_are_easily_mistaken() -> None:
    emblems = [company.emblem for company in WORLD.companies]
    assert len(set(emblems)) == len(emblems)
    assert any("(disambiguation)" in title for title in PAGES)


def test_lives_are_possible() -> None:
    for company in WORLD.companies:
        founder = WORLD.person_named[company.founder]
        assert founder.born < company.founded < founder.died + 1
        assert company.town in WORLD.town_named
        assert founder.birthplace in WORLD.town_named


def test_every_page_says_what_is_true() -> None:
    for company in WORLD.companies:
        text = PAGES[company.name].body
        assert fact(text, "founded") == str(company.founded)
        assert fact(text, "founder") == company.founder
        assert fact(text, "town") == company.town
        assert fact(text, "workers") == str(company.workers)
    for person in WORLD.people:
        assert fact(PAGES[person.name].body, "birthplace") == person.birthplace
    for town in WORLD.towns:
        assert fact(PAGES[town.name].body, "river") == town.river


def test_pages_live_below_a_reserved_name() -> None:
    assert all(page.url.startswith("https://encyclopaedia.example/wiki/") for page in PAGES.values())


def test_a_name_finds_its_page_first(engine: SearchEngine) -> None:
    for company in WORLD.companies:
        assert engine.search_text(f"In which year was {company.name} founded?").hits[0].title == company.name


def test_an_emblem_finds_its_owner_first(engine: SearchEngine) -> None:
    for company in WORLD.companies[:40]:
        picture = PAGES[f"Emblem of {company.name}"].picture
        assert picture is not None
        shown = picture()
        assert isinstance(shown, EncodedImage)
        assert engine.search_image(shown.decode()).hits[0].title == f"Emblem of {company.name}"
