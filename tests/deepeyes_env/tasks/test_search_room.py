"""Families that need search: pictures find their pages, twins differ, questions name nothing."""

import random
import re
from pathlib import Path

import pytest

from deepeyes_env.rewards.accuracy import grade_by_rule
from deepeyes_env.search.base import SearchEngine
from deepeyes_env.tasks.worlds import family
from deepeyes_env.tasks.worlds.drawing.document import FACES, fitted, wrapped
from deepeyes_env.tasks.worlds.family import Plan
from deepeyes_env.tasks.worlds.fictional.answers import NO_RECORD, answer_for
from deepeyes_env.tasks.worlds.fictional.dates import day_in, read, written
from deepeyes_env.tasks.worlds.fictional.facts import NOT_RECORDED, facts_of, followed, key_of
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


def _ends(plan: Plan) -> list[str]:
    """Keys of the things of which facts are the answer."""
    start = WORLD.named[plan.metadata["subject"]]
    trails = plan.metadata.get("trails", [plan.metadata.get("steps", ["?"])])
    names = [followed(WORLD, start, trail[:-1]) or start.name for trail in trails]
    return [key_of(WORLD.named[name]) for name in names]


def test_answers_are_facts_of_their_split_but_for_the_trails_that_the_documentation_names() -> None:
    free = set()
    for name in set(FAMILIES) - {"delivery-note"}:
        source = FictionalWorld(0, (name,))
        ends = [end for index in range(15) for end in _ends(source.plan(index, "test"))]
        if {source.split_of(end) for end in ends} != {"test"}:
            free.add(name)
    text = (Path(__file__).parents[3] / "docs" / "worlds.md").read_text(encoding="utf-8")
    exception = text.partition("Where a trail over several pages ends is free")[2].partition("**")[0]
    assert set(re.findall("`([a-z-]+)`", exception)) == free


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


@pytest.mark.parametrize("fact", ["teacher", "maker", "described_by"])
def test_a_family_name_is_enough_for_a_person(fact: str) -> None:
    assert grade_by_rule("Quill", answer_for(fact, "Ada Quill")).correct


def test_a_companys_own_name_does_not_answer_who_founded_it() -> None:
    company = WORLD.companies[0]
    answer = answer_for("founder", company.founder)
    assert grade_by_rule(company.founder, answer).correct
    assert not grade_by_rule(company.name.split()[0], answer).correct
    assert company.name.split()[0] == company.founder.split()[-1], "that is why"


@pytest.mark.parametrize(("difficulty", "most"), [(0.0, 0.08), (1.0, 0.17)])
def test_who_always_says_that_there_is_no_record_is_seldom_right(difficulty: float, most: float) -> None:
    source = FictionalWorld(0, ("no-record",), difficulty)
    plans = [draw(index, "train") for index in range(150) for draw in (source.plan, source.twin_plan)]
    right = [grade_by_rule("It cannot be determined.", plan.answer).correct for plan in plans]
    assert 0 < sum(right) / len(plans) < most


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
