"""What a careful person may write as an answer to a generated question counts as right."""

import random
from dataclasses import replace

import pytest

from deepeyes_env.rewards.accuracy import grade_by_rule
from deepeyes_env.tasks.worlds.family import Plan
from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld
from deepeyes_env.tasks.worlds.fictional.world import make_world
from deepeyes_env.tasks.worlds.perception.price_tag import CANNOT
from deepeyes_env.tasks.worlds.reasoning import bar_chart
from deepeyes_env.tasks.worlds.reasoning.bar_chart import Asked
from deepeyes_env.tasks.worlds.reasoning.calculation import Calculation


def is_right(answer: str, plan: Plan) -> bool:
    """Whether the answer is graded as right by rules alone."""
    return grade_by_rule(answer, plan.answer).correct


@pytest.mark.parametrize(
    ("name", "words", "unit"),
    [
        ("bar-chart", "(crates shipped)", "crates"),
        ("bar-chart", "(crates shipped)", "crates shipped"),
        ("bar-chart", "(hours of work)", "hours"),
        ("bar-chart", "(hours of work)", "hours of work"),
        ("line-chart", "How many bales", "bales"),
        ("line-chart", "(passengers carried)", "passengers"),
        ("line-chart", "(passengers carried)", "passengers carried"),
        ("scatter-plot", "trees", "trees"),
        ("scatter-plot", '"Girth in centimetres"', "centimetres"),
        ("stacked-bars", "How many crates", "crates"),
        ("pie-chart", "degrees", "°"),
        ("land-survey", "square metres", "m²"),
        ("land-survey", "square metres", "m^2"),
        ("land-survey", "square metres", "sq m"),
        ("count-shapes", "blue stars", "stars"),
        ("count-shapes", "blue stars", "blue stars"),
        ("ducks-on-a-pond", "green head", "ducks"),
    ],
)
def test_the_unit_that_the_question_names_may_be_given_or_left_out(name: str, words: str, unit: str) -> None:
    source = FictionalWorld(0, (name,))
    plans = (source.plan(index, "train") for index in range(400))
    if name == "scatter-plot" and unit == "trees":
        asked = next(plan for plan in plans if plan.question.startswith("How many trees"))
    else:
        asked = next(
            plan
            for plan in plans
            if words in plan.question and "slope" not in plan.question and plan.answer.unit != "%"
        )
    assert is_right(asked.answer.text, asked)
    assert is_right(f"{asked.answer.text} {unit}", asked)
    assert not is_right(f"{float(asked.answer.text) * 2 + 1:g} {unit}", asked)


def test_what_is_named_in_brackets_is_a_unit_of_measured_values_too() -> None:
    source = FictionalWorld(0, ("bar-chart",))
    plans = (source.plan(index, "train") for index in range(100))
    asked = next(plan for plan in plans if "(crates shipped)" in plan.question and plan.answer.unit != "%")
    assert is_right(f"{float(asked.answer.text) * 1.004:.2f} crates shipped", asked)
    assert not is_right(f"{asked.answer.text} orders received", asked)


@pytest.mark.parametrize(("name", "noun"), [("ducks-on-a-pond", "duck"), ("count-shapes", None)])
def test_one_is_a_singular(name: str, noun: str | None) -> None:
    source = FictionalWorld(0, (name,), difficulty=0)
    plans = (source.plan(index, "train") for index in range(100))
    asked = next(plan for plan in plans if plan.answer.text == "1")
    noun = noun or str(asked.metadata["form"])
    assert is_right(f"1 {noun}", asked)
    assert is_right(f"1 {noun}s", asked)
    assert not is_right(f"2 {noun}s", asked)


def test_an_average_of_journeys_says_how_to_round() -> None:
    source = FictionalWorld(0, ("timetable",))
    plans = [source.plan(index, "train") for index in range(60)]
    asked = [plan for plan in plans if "average" in plan.question]
    assert asked
    for plan in asked:
        assert plan.question.endswith("Give one decimal.")
        assert is_right(f"{float(plan.answer.text):.1f}", plan)


def test_animals_and_plants_that_were_counted_may_be_named() -> None:
    source = FictionalWorld(0, ("specimen-fact",))
    plans = (source.plan(index, "train") for index in range(200))
    asked = next(plan for plan in plans if "last survey count" in plan.question)
    assert is_right(f"{int(asked.answer.text):,} flowering plants", asked)
    assert not is_right(f"{int(asked.answer.text) + 1:,} flowering plants", asked)


@pytest.mark.parametrize("words", ["It can not be determined.", "The tag is blank", "There is no tag."])
def test_that_a_price_cannot_be_told_may_be_said_in_many_ways(words: str) -> None:
    assert grade_by_rule(words, CANNOT).correct


def test_a_total_need_not_be_rounded_to_a_hundredth_but_must_be_right_to_one() -> None:
    source = FictionalWorld(0, ("receipt",))
    plans = (source.plan(index, "train") for index in range(100))
    asked = next(plan for plan in plans if "tax included" in plan.question)
    paid = float(asked.answer.text)
    assert is_right(f"{paid + 0.004:.3f}", asked)
    assert not is_right(f"{paid + 0.01:.2f}", asked)


def test_the_bar_beside_the_tallest_and_the_shortest_is_neither() -> None:
    bars = replace(bar_chart.invent(random.Random(0), make_world(0), 4), values=(40, 30, 20, 10), step=10)
    asked = [Asked(Calculation("?", f"max(values) + min(values) + values[{n}]"), third=n) for n in range(4)]
    assert [bar_chart.is_clear(bars, each) for each in asked] == [False, True, True, False]


def test_a_difference_of_bars_is_not_too_small_to_be_measured() -> None:
    bars = replace(bar_chart.invent(random.Random(0), make_world(0), 3), values=(40, 38, 20), step=10)
    asked = [Asked(Calculation("?", f"values[0] - values[{n}]")) for n in (1, 2)]
    assert [bar_chart.is_clear(bars, each) for each in asked] == [False, True]


@pytest.mark.parametrize(
    ("name", "words", "wording"),
    [
        ("maze", "Which lettered sign", "Sign {}"),
        ("jigsaw", "which tile comes", "Tile {}"),
        ("colour-match", "number of the tile", "tile {}"),
        ("spot-the-change", "compartment", "Compartment {}"),
    ],
)
def test_a_thing_may_be_named_by_its_kind_and_its_number(name: str, words: str, wording: str) -> None:
    source = FictionalWorld(0, (name,))
    asked = next(plan for plan in (source.plan(n, "train") for n in range(100)) if words in plan.question)
    assert is_right(wording.format(asked.answer.text), asked)


def test_a_row_of_tiles_may_be_listed_in_any_usual_way() -> None:
    source = FictionalWorld(0, ("jigsaw",))
    plans = (source.plan(index, "train") for index in range(100))
    asked = next(plan for plan in plans if "row from above of the picture" in plan.question)
    *most, last = asked.answer.text.split(", ")
    for right in (" ".join([*most, last]), ",".join([*most, last]), f"{', '.join(most)} and {last}"):
        assert is_right(right, asked)
    assert not is_right(", ".join([last, *most]), asked)
