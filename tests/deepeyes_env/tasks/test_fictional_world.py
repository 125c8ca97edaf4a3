import random
import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepeyes_env.config import EnvConfig
from deepeyes_env.errors import ConfigError
from deepeyes_env.images import smart_resize
from deepeyes_env.rewards.accuracy import grade
from deepeyes_env.task import SPLITS, Skill, Task, TaskSource
from deepeyes_env.tasks import WorldConfig, open_source
from deepeyes_env.tasks.worlds import FICTIONAL, family, oracle_for
from deepeyes_env.tasks.worlds.drawing.emblem import visible
from deepeyes_env.tasks.worlds.family import Family
from deepeyes_env.tasks.worlds.fictional import names
from deepeyes_env.tasks.worlds.fictional.facts import key_of
from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld
from deepeyes_env.tasks.worlds.fictional.world import COMPANIES, make_world
from deepeyes_env.tasks.worlds.real.source import RealWorld
from deepeyes_env.tasks.worlds.splits import SPLIT_TENTHS

WORLD = FictionalWorld(seed=0)
TASKS = [WORLD.task(index, "validation") for index in range(2 * len(FICTIONAL))]


def test_it_is_an_endless_source_of_all_families_in_turn() -> None:
    assert isinstance(WORLD, TaskSource)
    assert all(WORLD.size(split) is None for split in SPLITS)
    assert [task.family for task in TASKS] == 2 * list(FICTIONAL)
    assert EnvConfig().source == WorldConfig()


def test_a_task_does_not_depend_on_the_other_families() -> None:
    alone = open_source(WorldConfig(families=("market-stalls",))).task(1, "validation")
    assert alone == TASKS[len(FICTIONAL) + list(FICTIONAL).index("market-stalls")]


def test_ids_are_unique_and_name_world_family_split_and_index() -> None:
    assert TASKS[2].id == "fictional-0/house-number/validation/0"
    assert len({task.id for task in TASKS}) == len(TASKS)


def test_splits_own_all_keys_once() -> None:
    assert sorted(tenth for tenths in SPLIT_TENTHS.values() for tenth in tenths) == list(range(10))


@pytest.mark.parametrize("seed", range(4))
def test_no_split_is_left_without_things_of_a_kind(seed: int) -> None:
    source = FictionalWorld(seed)
    for kind in (source.world.towns, source.world.species, source.world.artefacts, source.world.companies):
        shares = Counter(source.split_of(key_of(thing)) for thing in kind)
        assert shares["train"] == pytest.approx(0.6 * len(kind), abs=1)
        assert shares["validation"] == pytest.approx(0.2 * len(kind), abs=1)


@pytest.mark.parametrize("seed", [*range(4), 4, 23, 57])
def test_siblings_are_each_others(seed: int) -> None:
    people = {person.name: person for person in make_world(seed).people}
    assert sum(person.sibling is not None for person in people.values()) % 2 == 0
    for name, person in people.items():
        if person.sibling is not None:
            assert people[person.sibling].sibling == name


def test_companies_asked_about_never_leave_their_split() -> None:
    asked = {
        split: {
            FictionalWorld(0, ("emblem-fact",)).task(index, split).metadata["subject"] for index in range(12)
        }
        for split in SPLITS
    }
    for split, companies in asked.items():
        assert all(WORLD.split_of(f"company/{company}") == split for company in companies)


def test_other_seeds_give_other_worlds() -> None:
    first, second = make_world(0), make_world(1)
    assert first.companies != second.companies
    assert FictionalWorld(1).task(2).images != FictionalWorld(0).task(2).images


@given(seed=st.integers(0, 2**64))
def test_every_world_has_all_its_companies_and_families_stay_small(seed: int) -> None:
    companies = make_world(seed).companies
    assert len({company.name for company in companies}) == COMPANIES
    assert len({visible(company.emblem) for company in companies}) == COMPANIES
    sizes = Counter(company.name.split()[0] for company in companies)
    # Family names may meet by chance, but twins are pairs: no family snowballs until its trades run out.
    assert max(sizes.values()) <= 12


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_a_task_is_well_formed(task: Task) -> None:
    assert task.question.strip() == task.question
    assert "?" in task.question
    assert task.images
    assert all(image.decode().size == (image.width, image.height) for image in task.images)
    assert task.answer.text
    assert grade(task.answer.text, task).correct
    assert not grade("unknown", task).correct
    assert task.answer.text.lower() not in task.question.lower()


@pytest.mark.parametrize("task", TASKS[2 : len(FICTIONAL)], ids=lambda task: task.family)
def test_scenes_are_seen_as_they_are_drawn(task: Task) -> None:
    for image in task.images:
        assert smart_resize(image.height, image.width) == (image.height, image.width)


@pytest.mark.parametrize("name", FICTIONAL)
def test_a_family_keeps_the_interface(name: str) -> None:
    found = family(name)
    assert isinstance(found, Family)
    assert found.name == name
    assert found.tools <= {"code", "search", "image_search"}
    assert (Skill.SEARCH in found.skills) == bool(found.tools & {"search", "image_search"})


def test_every_skill_alone_and_all_together_have_five_families() -> None:
    skills = [family(name).skills for name in FICTIONAL]
    assert len(skills) >= 24
    assert all(sum({skill} == found for found in skills) >= 5 for skill in Skill)
    assert sum(frozenset(Skill) == found for found in skills) >= 5


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'bar-chart'"):
        FictionalWorld(families=("bar-charts",))
    with pytest.raises(ConfigError, match=r"'element-tile' is a family of the real world.*kind = \"real\""):
        FictionalWorld(families=("bar-chart", "element-tile"))
    with pytest.raises(ConfigError, match=r"'emblem-fact' is a family of the fictional world"):
        RealWorld(families=("emblem-fact",))
    with pytest.raises(ConfigError, match=r"no oracle solves 'mine/train/0': it knows the generated"):
        oracle_for(replace(TASKS[0], id="mine/train/0", family="mine"))
    with pytest.raises(IndexError, match="-1"):
        WORLD.task(-1)
    with pytest.raises(ValueError, match="unknown split 'dev'"):
        WORLD.task(0, "dev")  # type: ignore[arg-type]


@pytest.mark.parametrize("twins", [False, True])
def test_a_task_is_found_by_its_id(twins: bool) -> None:
    source = FictionalWorld(0, ("house-number", "count-shapes"), twins=twins)
    for index in range(5):
        for split in SPLITS:
            assert source.index_of(source.task(index, split).id) == (index, split)


def test_no_name_has_three_equal_letters_in_a_row() -> None:
    rng = random.Random(0)
    drawn = {make(rng) for make in (names.surname, names.town) for _ in range(9_000)}
    assert {"Ullock", "Kirridge"} <= drawn
    assert not [name for name in drawn if re.search(r"(.)\1\1", name.casefold())]


@pytest.mark.parametrize(
    "task_id",
    [
        "",
        "jsonl/train/0",
        "fictional-1/house-number/train/0",
        "fictional-0/street-emblems/train/0",
        "fictional-0/house-number/training/0",
        "fictional-0/house-number/train/-1",
        "fictional-0/house-number/train/0/twin",
        "fictional-0/house-number/train/0/0",
    ],
)
def test_no_task_is_found_by_anothers_id(task_id: str) -> None:
    with pytest.raises(ValueError, match="is no task of 'fictional-0' with the families house-number"):
        FictionalWorld(0, ("house-number", "count-shapes")).index_of(task_id)
