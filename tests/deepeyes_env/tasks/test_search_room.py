"""Families that need search: pictures find their pages, twins differ, questions name nothing."""

import random

import pytest

from deepeyes_env.search.base import SearchEngine
from deepeyes_env.tasks.worlds import family
from deepeyes_env.tasks.worlds.drawing.document import FACES, fitted, wrapped
from deepeyes_env.tasks.worlds.fictional.answers import NO_RECORD, answer_for
from deepeyes_env.tasks.worlds.fictional.dates import day_in, read, written
from deepeyes_env.tasks.worlds.fictional.facts import NOT_RECORDED, facts_of, followed
from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld
from deepeyes_env.tasks.worlds.fictional.world import make_world
from deepeyes_env.tasks.worlds.knobs import settings
from deepeyes_env.tasks.worlds.oracles.lookup import FACTS
from deepeyes_env.tasks.worlds.search import FAMILIES

WORLD = make_world(0)
BY_PICTURE = [name for name in FAMILIES if "image_search" in family(name).tools]


@pytest.fixture(scope="module")
def engine() -> SearchEngine:
    found = FictionalWorld(0).search_engine()
    assert found is not None
    return found


@pytest.mark.parametrize("name", BY_PICTURE)
@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_a_photograph_finds_what_it_shows(engine: SearchEngine, name: str, difficulty: float) -> None:
    source = FictionalWorld(0, (name,), difficulty)
    for index in range(4):
        task = source.task(index)
        hits = engine.search_image(task.images[0].decode()).hits
        assert hits
        assert hits[0].title.removeprefix("Emblem of ") == task.metadata["subject"]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_a_twin_asks_the_same_about_another_picture(name: str, difficulty: float) -> None:
    source = FictionalWorld(0, (name,), difficulty)
    for index in range(3):
        plan, twin = source.plan(index, "test"), source.twin_plan(index, "test")
        assert twin.question == plan.question
        assert twin.answer.text != plan.answer.text
        assert twin.draw(random.Random(1)) != plan.draw(random.Random(1))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_question_names_nothing_that_the_picture_shows(name: str) -> None:
    for draw in range(60):
        plan = family(name).plan(random.Random(draw), WORLD, settings(family(name).knobs, 0.5, {}, name))
        assert not [each for each in WORLD.named if each in plan.question]


def test_trails_break_off_where_a_fact_is_missing() -> None:
    company = next(company for company in WORLD.companies if company.rival is None)
    assert (
        followed(WORLD, company, ("founder", "birthplace")) == WORLD.person_named[company.founder].birthplace
    )
    assert followed(WORLD, company, ("rival", "founder")) is None
    assert followed(WORLD, company, ("founder", "born", "river")) is None
    lost = next(person for person in WORLD.people if person.burial is None)
    assert followed(WORLD, lost, ("burial",)) is None


def test_a_lost_fact_is_answered_by_saying_so_and_not_by_having_found_nothing() -> None:
    answer = answer_for("burial", NOT_RECORDED)
    assert answer.aliases == NO_RECORD
    assert "unknown" not in (answer.text, *answer.aliases)


def test_dates_have_the_wordings_that_a_person_would_accept() -> None:
    assert answer_for("born_on", "4 March 1790").aliases == ("March 4, 1790", "1790-03-04")
    day = day_in(random.Random(0), 1801)
    assert read(written(day)) == day


def test_every_fact_has_an_answer() -> None:
    for thing in WORLD.named.values():
        for name, value in facts_of(thing).items():
            assert name in FACTS
            assert answer_for(name, value).text == value


def test_a_document_is_shown_whole() -> None:
    for document in WORLD.documents:
        face = FACES[document.kind]
        size, paragraphs = fitted(document.paragraphs, face, 500, 300, 40)
        assert size > 10
        assert [" ".join(lines) for lines in paragraphs] == list(document.paragraphs)
        assert sum(len(lines) * 1.45 * size + 0.45 * size for lines in paragraphs) <= 300
        assert wrapped("one", 10, face, 500) == ["one"]
