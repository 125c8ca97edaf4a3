"""What is special about the families of the reasoning room: twins, and what blots and cuts hide."""

import random
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Split
from deepeyes_env.tasks.worlds import family
from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld
from deepeyes_env.tasks.worlds.fictional.world import make_world
from deepeyes_env.tasks.worlds.reasoning import FAMILIES, receipt
from deepeyes_env.tasks.worlds.reasoning.calculation import Calculation, apart, shown
from deepeyes_env.tasks.worlds.reasoning.maze import grow
from deepeyes_env.tasks.worlds.reasoning.receipt import Receipt

WORLD = make_world(0)


def differences(one: EncodedImage, other: EncodedImage) -> npt.NDArray[np.bool_]:
    """Where two pictures of one size differ by more than JPEG artefacts do."""
    a, b = (np.asarray(image.decode().convert("L"), dtype=int) for image in (one, other))
    return np.abs(a - b) > 60


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_a_twin_asks_the_same_about_a_picture_with_another_answer(name: str, difficulty: float) -> None:
    source = FictionalWorld(0, (name,), difficulty=difficulty)
    for index in range(4):
        plan, twin = source.plan(index, "test"), source.twin_plan(index, "test")
        assert twin.question == plan.question
        assert twin.answer.text != plan.answer.text
        assert twin.key == plan.key


@pytest.mark.parametrize("name", FAMILIES)
def test_a_twins_picture_differs_but_not_much(name: str) -> None:
    source = FictionalWorld(2, (name,))
    one, other = source.task(0).images[0], source.twin(0, "train").images[0]
    assert 0 < differences(one, other).mean() < 0.12


def drawn(find: str) -> Receipt:
    """A receipt of which `find` is asked."""
    rng = random.Random(find)
    while True:
        facts = receipt.draw_facts(rng, WORLD, 6, 20)
        if facts.find == find:
            return facts


def test_a_blot_hides_the_change_and_the_total() -> None:
    facts = drawn("change")
    line = replace(facts.lines[0], count=facts.lines[0].count % 9 + 1)
    other = replace(facts, lines=(line, *facts.lines[1:]))
    assert other.total != facts.total
    changed = differences(*(receipt.paint(each, random.Random(1)) for each in (facts, other)))
    rows, columns = np.nonzero(changed)
    assert 0 < np.ptp(rows) < 24
    assert np.ptp(columns) < 24


def test_a_blot_hides_the_price_and_its_amount() -> None:
    facts = drawn("price")
    line = replace(facts.lines[facts.place], price=facts.lines[facts.place].price + 55)
    lines = (*facts.lines[: facts.place], line, *facts.lines[facts.place + 1 :])
    changed = differences(
        *(receipt.paint(each, random.Random(1)) for each in (facts, replace(facts, lines=lines)))
    )
    rows = np.nonzero(changed)[0]
    assert 0 < np.ptp(rows) < 24, "only the printed total may differ"


def test_every_square_of_a_maze_can_be_reached() -> None:
    maze = grow(random.Random(3), 12, 9, 8)
    assert maze.steps().keys() == maze.signs.keys()
    everywhere = {str(place): (place % 12, place // 12) for place in range(12 * 9)}
    assert len(replace(maze, signs=everywhere).steps()) == 12 * 9


def test_a_calculation_calls_nothing_but_arithmetic() -> None:
    assert Calculation("?", "sum(values) / len(values)").result([1, 2, 6]) == 3
    with pytest.raises(NameError):
        Calculation("?", "open('file')").result([])


def test_results_are_shown_rounded_and_compared_by_their_tolerance() -> None:
    assert [shown(value) for value in (3.0, 3.14159, 2.96)] == ["3", "3.1", "3"]
    assert apart(100, 106, 0.03)
    assert not apart(100, 103, 0.03)


@pytest.mark.parametrize("name", FAMILIES)
def test_plans_are_made_at_every_corner_of_the_knobs(name: str) -> None:
    knobs = family(name).knobs
    for place in range(2 ** len(knobs)):
        chosen = {
            knob: (each.easy, each.hard)[place >> bit & 1] for bit, (knob, each) in enumerate(knobs.items())
        }
        plan = family(name).plan(random.Random(place), WORLD, chosen)
        assert plan.draw(random.Random(0))[0].width > 100


@pytest.mark.parametrize(
    ("name", "difficulty", "split", "index", "seed"),
    [
        ("line-chart", 0.5, "train", 11, 0),
        ("line-chart", 1.0, "train", 47, 1),
        ("pie-chart", 0.0, "validation", 33, 0),
        ("pie-chart", 1.0, "train", 5, 0),
        ("timetable", 1.0, "validation", 74, 0),
        ("timetable", 1.0, "test", 11, 1),
    ],
)
def test_pictures_that_hardly_had_a_twin_have_one(
    name: str, difficulty: float, split: Split, index: int, seed: int
) -> None:
    source = FictionalWorld(seed, (name,), difficulty=difficulty)
    assert source.twin_plan(index, split).answer.text != source.plan(index, split).answer.text
