"""WorldBench: what is in it, that nobody changes it silently, and its official figures."""

import hashlib
from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.suites import open_suite
from benchmarks.suites.suite import Item, Marked
from benchmarks.suites.worldbench import (
    GROUPS,
    LEVELS,
    NO_RECORD,
    SIZES,
    VERSION,
    WORLDBENCH,
    _lost,
    _source,
    place,
    summarise,
)
from deepeyes_env.errors import ConfigError
from deepeyes_env.task import Answer, Task

QUESTIONS = "451fdd8c40d7f513"
"""Of all 400 questions with their answers, in version 4."""

PICTURES = "c0f23863338b13b4"
"""Of the pixels of the first pair of every group, in version 4."""


def digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def test_nobody_changes_the_questions_silently() -> None:
    written = []
    for pair in range(SIZES["worldbench"] // 2):
        _, family, level, number = place(pair)
        source = _source(family, level)
        index = _lost(level, number) if family == NO_RECORD else number
        plans = source.plan(index, "test"), source.twin_plan(index, "test")
        written += [f"{family} {level} {plan.question} {plan.answer}" for plan in plans]
    assert (VERSION, digest(written)) == (4, QUESTIONS), "another benchmark needs another VERSION"


def test_nobody_changes_the_pictures_silently() -> None:
    items = open_suite("worldbench")
    pictures = [image for index in range(8) for image in items.item(index).task.images]
    pixels = [hashlib.sha256(image.decode().tobytes()).hexdigest() for image in pictures]
    assert (VERSION, digest(pixels)) == (4, PICTURES), "another benchmark needs another VERSION"


@pytest.mark.parametrize(("name", "pairs"), [("worldbench", 200), ("worldbench-small", 30)])
def test_groups_families_and_levels_take_turns(name: str, pairs: int) -> None:
    places = [place(pair) for pair in range(SIZES[name] // 2)]
    assert len(places) == len(set(places)) == pairs
    groups, levels = (Counter(one[part] for one in places) for part in (0, 2))
    assert set(groups) == set(GROUPS)
    assert max(groups.values()) - min(groups.values()) <= 1
    assert set(levels) == set(LEVELS)
    assert min(levels.values()) > pairs / 5
    assert sum(one[1] == NO_RECORD for one in places) >= pairs / 15
    if name == "worldbench":
        assert {family for _, family, _, _ in places} == {one for some in GROUPS.values() for one in some}


def test_pairs_are_twins_and_lost_facts_are_unanswerable() -> None:
    items = open_suite("worldbench-small")
    pair = next(pair for pair in range(30) if place(pair)[1] == NO_RECORD)
    lost, found = items.item(2 * pair), items.item(2 * pair + 1)
    assert (lost.unanswerable, found.unanswerable) == (True, False)
    assert lost.task.question == found.task.question
    assert lost.cluster == found.cluster == found.twin == lost.task.id == f"worldbench-small/{2 * pair}"
    assert lost.twin is None
    assert lost.category.startswith("search/")
    assert items.item(2 * pair) is lost
    assert WORLDBENCH.official(lost, "It cannot be determined.") == 1.0
    assert WORLDBENCH.official(found, "It cannot be determined.") == 0.0


def test_there_are_as_many_as_there_are() -> None:
    items = open_suite("worldbench-small")
    assert (len(items), items.size("test"), items.size("train")) == (60, 60, 0)
    assert items.describe()["revision"] == str(VERSION)
    for index in (-1, 60):
        with pytest.raises(IndexError, match="outside the 60 items"):
            items.item(index)
    with pytest.raises(ConfigError, match="it is drawn here"):
        open_suite("worldbench", path="here")
    with pytest.raises(ConfigError, match="worldbench"):
        open_suite("wordbench")


def marked(number: int, score: float | None, *, refused: bool = False, lost: bool = False) -> Marked:
    first = f"s/{number // 2 * 2}"
    item = Item(Task(f"s/{number}", "Q", (), Answer("A")), "search/easy", first, unanswerable=lost)
    return Marked(replace(item, facts={"group": "search"}), score, refused)


def test_the_official_figures() -> None:
    figures = summarise(
        [
            marked(0, 1.0, refused=True, lost=True),
            marked(1, 0.0, refused=True),
            marked(2, 0.0, lost=True),
            marked(3, 1.0),
            marked(4, 1.0),
            marked(5, 1.0),
            marked(6, None),
            marked(7, 1.0),
        ]
    )
    assert figures == {
        "accuracy": 5 / 7,
        "accuracy/search": 5 / 7,
        "twin_consistency": 1 / 3,
        "refusal_precision": 1 / 2,
        "refusal_recall": 1 / 2,
    }
    assert summarise([]) == {}
