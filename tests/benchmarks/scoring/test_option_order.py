"""Options in another order: the same options, the same right one, scored on the labels shown."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scoring.option_order import LayoutError, lay_out, layouts
from benchmarks.suites.suite import Item
from deepeyes_env.rewards.accuracy import grade_by_rule
from deepeyes_env.task import Answer, Task

TEXTS = ["red", "dark red", "7", "7.5", "a cat", "B-flat", "$x^2$", "(3, 4)", "Dr. B. Smith", "blue"]
LAYOUTS = ["{label}. {text}", "({label}) {text}", "{label}: {text}", "{label}) {text}"]


def item(texts: list[str], right: int, layout: str = LAYOUTS[0], *, by_text: bool = False) -> Item:
    choices = dict(zip("ABCDEFGH", texts, strict=False))
    listed = "\n".join(layout.format(label=label, text=text) for label, text in choices.items())
    answer = Answer(texts[right] if by_text else list(choices)[right], choices=choices)
    return Item(
        Task("s/1", f"Which of B. and A. is it?\n{listed}\nAnswer with a letter.", (), answer), "", "s/1"
    )


@given(
    st.lists(st.sampled_from(TEXTS), min_size=2, max_size=6, unique=True),
    st.data(),
    st.sampled_from(LAYOUTS),
    st.booleans(),
)
def test_the_right_option_stays_right_under_its_new_label(
    texts: list[str], data: st.DataObject, layout: str, by_text: bool
) -> None:
    right = data.draw(st.integers(0, len(texts) - 1))
    released = item(texts, right, layout, by_text=by_text)
    labels = list(released.task.answer.choices)
    order = tuple(data.draw(st.permutations(labels)))
    shown = lay_out(released, order)
    answer = shown.item.task.answer
    assert sorted(answer.choices.values()) == sorted(texts)
    for label, text in answer.choices.items():
        assert layout.format(label=label, text=text) in shown.item.task.question
        assert released.task.answer.choices[shown.order[label]] == text
        assert grade_by_rule(label, answer).correct == (text == texts[right])
    back = lay_out(
        shown.item,
        tuple(label for released_label in labels for label in labels if shown.order[label] == released_label),
    )
    assert back.item == released


def test_all_cyclic_orders_put_every_option_at_every_label() -> None:
    released = item(["red", "green", "blue"], 1)
    shown = layouts(released, "averaged", seed=0)
    assert [tuple(one.item.task.answer.choices.values()) for one in shown] == [
        ("red", "green", "blue"),
        ("green", "blue", "red"),
        ("blue", "red", "green"),
    ]
    assert [one.item.task.answer.text for one in shown] == ["B", "A", "C"]


def test_shuffles_depend_on_item_and_seed_alone() -> None:
    released = item(TEXTS[:6], 0)
    orders = [tuple(layouts(released, "shuffled", seed)[0].order.values()) for seed in range(20)]
    assert orders == [tuple(layouts(released, "shuffled", seed)[0].order.values()) for seed in range(20)]
    assert len(set(orders)) > 10


@pytest.mark.parametrize("text", ["both A and B", "none of the above", "All of these", "A or C", "Only B"])
def test_options_that_speak_of_others_stay_where_they_are(text: str) -> None:
    released = item(["red", "green", text], 0)
    for order in ("shuffled", "averaged"):
        (shown,) = layouts(released, order, seed=1)  # type: ignore[arg-type]
        assert (shown.item, dict(shown.order)) == (released, {})


@pytest.mark.parametrize("texts", [["A", "B", "C"], ["red", "(B)", "blue"]])
def test_letters_that_name_what_is_in_the_picture_stay_where_they_are(texts: list[str]) -> None:
    released = item(texts, 0)
    assert [one.item for one in layouts(released, "averaged", seed=1)] == [released]


def test_a_reference_may_be_written_as_it_likes_and_one_that_is_no_option_moves_nothing() -> None:
    released = item(["red", "green", "blue"], 1)
    for text, moved in (("(B)", ["B", "A", "C"]), ("b.", ["B", "A", "C"]), ("green", ["green"] * 3)):
        task = replace(released.task, answer=replace(released.task.answer, text=text))
        shown = layouts(replace(released, task=task), "averaged", seed=0)
        assert [one.item.task.answer.text for one in shown] == moved
    task = replace(released.task, answer=replace(released.task.answer, text="A, B"))
    assert len(layouts(replace(released, task=task), "averaged", seed=0)) == 1


def test_items_without_options_and_the_release_order_are_left_alone() -> None:
    free = Item(Task("s/2", "When?", (), Answer("1859")), "", "s/2")
    assert layouts(free, "averaged", 0)[0].item is free
    released = item(["red", "green"], 0)
    assert layouts(released, "release", 0)[0].item is released


def test_options_that_the_question_does_not_list_are_an_error() -> None:
    hidden = Item(Task("s/3", "Which?", (), Answer("A", choices={"A": "red", "B": "blue"})), "", "s/3")
    with pytest.raises(LayoutError, match=r"s/3.*--option-order release"):
        layouts(hidden, "shuffled", 0)
