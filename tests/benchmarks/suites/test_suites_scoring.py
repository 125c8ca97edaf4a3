"""The suites' metrics against the cases that the official scoring code decides, each with its place.

Where a suite deliberately does not follow, the case says so.
"""

from __future__ import annotations

import math

import pytest
from golden import all_golden, base64_picture, picture
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.suites import (
    SUITES,
    chartqa,
    charxiv,
    charxiv_templates,
    find_suite,
    hrbench,
    ocrbench,
    realx,
    tirbench,
    vstar,
)
from benchmarks.suites.metrics import accuracies, accuracy, by_category, picked, with_options
from benchmarks.suites.row import Row, RowError
from benchmarks.suites.suite import Item, Marked
from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task

IMAGE = EncodedImage.from_bytes(picture())
OPTIONS = {"A": "red", "B": "dark blue", "C": "green", "D": "white"}


def item(answer: str | Answer, category: str = "", cluster: str = "c", **facts) -> Item:
    reference = answer if isinstance(answer, Answer) else Answer(answer)
    return Item(Task("suite/1", "?", (IMAGE,), reference), category, cluster, facts=facts)


def choice(answer: str) -> Item:
    return item(Answer(answer, choices=OPTIONS))


@pytest.mark.parametrize(
    "said", ["B", "b", "(B)", "B.", "B)", "B: dark blue", "Option B", "dark blue", "Dark Blue."]
)
def test_the_picked_option(said: str) -> None:
    """What all harnesses accept (`can_infer_option`, `can_infer_text` in VLMEvalKit
    `utils/matching_util.py`; `extract_answer_letter` in lmms-eval `tasks/vstar_bench/utils.py`).
    """
    assert picked(choice("B"), said) == 1.0
    assert picked(choice("A"), said) == 0.0


@pytest.mark.parametrize(
    "said", ["A dark car", "An apple", "Because", "DARK", "A or B", "A, B", "", "E", "the letter A is seen"]
)
def test_a_letter_inside_words_picks_nothing(said: str) -> None:
    """Not followed: `extract_characters_regex` (MME-RealWorld, TreeBench) and `seed_process_result`
    (SEED-Bench-2-Plus) take the first capital of all of these.
    """
    assert [picked(choice(letter), said) for letter in OPTIONS] == [0.0] * 4


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("14.7", "14", 1.0),
        ("14.71", "14", 0.0),
        ("13.3", "14", 1.0),
        ("57%", "0.57", 1.0),
        ("57", "57%", 0.0),
        ("0", "0", 1.0),
        ("0.0", "0", 0.0),  # a target of zero is false, so it is compared as text
        ("Peru", "peru", 1.0),
        ("Peru.", "Peru", 0.0),
        ("1,000", "1000", 0.0),
        ("2010", "2014", 1.0),
        ("-14", "14", 0.0),
        ("nan", "14", 0.0),
        ("inf", "14", 0.0),
    ],
)
def test_relaxed_accuracy(answer: str, reference: str, score: float) -> None:
    """`relaxed_correctness` in VLMEvalKit `utils/vqa_eval.py` and lmms-eval `tasks/chartqa/utils.py`."""
    assert chartqa.relaxed(answer, reference) == score


@given(
    reference=st.floats(0.01, 1e6),
    error=st.floats(-0.2, 0.2).filter(lambda error: abs(abs(error) - 0.05) > 1e-9),
)
def test_relaxed_accuracy_is_five_per_cent(reference: float, error: float) -> None:
    answer = reference * (1 + error)
    assert chartqa.relaxed(repr(answer), repr(reference)) == float(abs(error) < 0.05)


@pytest.mark.parametrize(
    ("category", "answers", "said", "score"),
    [
        ("Regular Text Recognition", ("CENTRE",), "The text is 'centre'.", 1.0),
        ("Scene Text-centric VQA", ("a", "old harbour"), "Old\nHarbour", 1.0),
        ("Doc-oriented VQA", ("12 may",), "12  may", 0.0),
        (ocrbench.FORMULAS, ("x ^ { 2 }",), "$x^{2}$", 1.0),
        (ocrbench.FORMULAS, ("x",), "X", 0.0),
    ],
)
def test_ocrbench_contains(category: str, answers: tuple[str, ...], said: str, score: float) -> None:
    """`OCRBench.evaluate` in VLMEvalKit `image_vqa.py`."""
    asked = item(Answer(answers[0], aliases=answers[1:]), category)
    assert ocrbench.official(asked, said) == score


def test_ocrbench_points() -> None:
    """The official table: recognition is six kinds together, and points are counted, not averaged."""
    kinds = ["Regular Text Recognition", "Handwriting Recognition", "Doc-oriented VQA", ocrbench.FORMULAS]
    marked = [Marked(item("x", kind), score) for kind, score in zip(kinds, (1.0, 1.0, 1.0, 0.0), strict=True)]
    figures = ocrbench.summarise(marked)
    assert figures["points"] == 3.0
    assert figures["points/Text Recognition"] == 2.0
    assert figures["points/Key Information Extraction"] == 0.0
    assert figures["accuracy"] == 0.75


def test_ocrbench_has_no_points_while_an_item_has_no_score() -> None:
    """A sum over fewer items would count what failed as wrong."""
    marked = [Marked(item("x", "Doc-oriented VQA"), score) for score in (1.0, None)]
    assert ocrbench.summarise(marked) == {"accuracy": 1.0, "accuracy/Doc-oriented VQA": 1.0}


def cycle(number: int, category: str, cluster: str, score: float | None) -> Marked:
    return Marked(item("A", category, cluster, cycle=str(number)), score)


def test_hrbench_is_a_mean_over_cycles() -> None:
    """`report_acc_hrbench` in VLMEvalKit `utils/hrbench.py`: a mean of means, which is no mean over rows
    where a cycle has fewer of them.
    """
    marked = [
        cycle(0, "single", "one", 1.0),
        cycle(0, "cross", "two", 0.0),
        cycle(1, "single", "one", 1.0),
        cycle(1, "cross", "two", None),
        cycle(2, "single", "one", 1.0),
        cycle(3, "single", "one", 1.0),
    ]
    figures = hrbench.summarise(marked)
    assert figures["accuracy"] == (0.5 + 1 + 1 + 1) / 4
    assert figures["accuracy/single"] == 1.0
    assert figures["accuracy/cross"] == 0.0
    assert figures["all_cycles"] == 1.0
    once_wrong = [cycle(number, "single", "one", float(number != 2)) for number in range(4)]
    assert hrbench.summarise(once_wrong)["all_cycles"] == 0.0
    assert hrbench.summarise(once_wrong)["accuracy"] == 0.75


def test_the_cycles_of_a_question_are_one_cluster() -> None:
    rows = [
        {"index": number, "question": "?", "answer": "A", "category": "single", "cycle_category": number}
        | dict(zip("ABCD", order, strict=True))
        | {"image": base64_picture()}
        for number, order in enumerate((["1", "2", "3", "4"], ["2", "3", "4", "1"], ["5", "2", "3", "4"]))
    ]
    clusters = [hrbench.read(Row(row, "hrbench-4k")).cluster for row in rows]
    assert clusters[0] == clusters[1] != clusters[2]


@pytest.mark.parametrize(
    ("task", "reference", "said", "score"),
    [
        # `compare` and `extract_consecutive_n_squared`: the share of right places
        ("jigsaw", "4, 3, 2, 1", "4, 3, 1, 2", 0.5),
        ("jigsaw", "4, 3, 2, 1", "The order is **4, 3, 2, 1**.", 1.0),
        ("jigsaw", "4, 3, 2, 1", "Of 4 pieces:\n4 3 2 1", 1.0),
        ("jigsaw", "4, 3, 2, 1", "4, 3, 2", 0.0),
        # `list_iou`
        ("spot_difference", "3, 5, 9", "3, 5", 2 / 3),
        ("spot_difference", "3, 5, 9", "9 and 5 and 3", 1.0),
        ("spot_difference", "3, 5, 9", "none", 0.0),
        ("spot_difference", "4", "4", 1.0),
        # `extract_two_numbers`
        ("word_search", "(3, 12)", "row and column 3,12", 1.0),
        ("word_search", "(3, 12)", "12, 3", 0.0),
        ("word_search", "(3, 12)", "3 12", 0.0),
        # contains, with case
        ("ocr", "Hotel", "It says Hotel Inn", 1.0),
        ("ocr", "Hotel", "HOTEL", 0.0),
        # `judge_choice`: several letters in any order
        ("color", "AC", "C, A", 1.0),
        ("color", "AC", "A", 0.0),
        ("color", "AC", "ABC", 0.0),
        ("math", "B", "**B**", 1.0),
        # Not followed: `get_most_similar` guesses A here.
        ("math", "A", "no idea", 0.0),
        # `judge_int`, `judge_float`, with math-verify's second chance
        ("visual_search", "12", "12", 1.0),
        ("visual_search", "12", "24/2", 1.0),
        ("instrument", "3.5", "3.50", 1.0),
        ("instrument", "3.5", "3.4", 0.0),
    ],
)
def test_tirbench(task: str, reference: str, said: str, score: float) -> None:
    """`calculate_score.py` and `tools.py` of TIR-Bench (f79c756)."""
    assert tirbench.official(item(reference, task, side=2), said) == pytest.approx(score)


def test_tirbench_mends_two_references() -> None:
    """`calculate_score.py`: `60.jpg` is `mobi`, `62.jpg` is `aires`, of the task ocr alone."""
    row = {"id": 1, "task": "ocr", "prompt": "?", "answer": "wrong", "image_1": "62.jpg", "meta_data": None}
    for task, wanted in (("ocr", "aires"), ("math", "wrong")):
        with pytest.raises(RowError, match="the rows bring no files"):
            tirbench.read(Row(row | {"task": task}))
        assert tirbench._reference(Row(row | {"task": task}), task) == wanted


def test_realx_accepts_each_alternative_and_leaves_the_rest_to_the_judge() -> None:
    """README of glowol/RealXBench: several answers are separated by `or`."""
    row = {"query": "?", "answer": "Oregon or Washington", "image": {"bytes": picture(), "path": None}}
    asked = realx.read(Row(row | {"perception": 1, "search": 1.0, "reason": "0"}))
    assert asked.task.answer.aliases == ("Oregon", "Washington")
    assert asked.task.skills == {Skill.PERCEPTION, Skill.SEARCH}
    assert asked.category == "perception+search"
    assert realx.official(asked, "Washington") == 1.0
    assert realx.official(asked, "Seattle") is None
    assert realx.official(asked, "...") == 0.0


def test_realx_counts_integration() -> None:
    """Table 1: an item that needs all three counts for every ability and for integration."""
    both = [Skill.PERCEPTION, Skill.REASONING, Skill.SEARCH]

    def needing(skills: list[Skill], score: float) -> Marked:
        return Marked(Item(Task("realx/1", "?", (IMAGE,), Answer("x"), frozenset(skills)), "", "c"), score)

    figures = realx.summarise([needing(both, 1.0), needing(both[:1], 0.0)])
    assert figures == {
        "accuracy": 0.5,
        "accuracy/perception": 0.5,
        "accuracy/reason": 1.0,
        "accuracy/search": 1.0,
        "accuracy/integration": 1.0,
    }


def test_charxiv_kinds_cover_the_templates() -> None:
    """`qid2category` in VLMEvalKit `charxiv.py`: nineteen templates in five categories."""
    numbers = [number for _, templates in charxiv.DESCRIPTIVE_KINDS for number in templates]
    assert sorted(numbers) == list(range(1, 20))
    asked = [charxiv_templates.descriptive_question(number, "the inset") for number in range(1, 20)]
    assert len(set(asked)) == 19
    assert all(question.startswith("For the inset, ") for question in asked[:17])
    with pytest.raises(KeyError):
        charxiv_templates.descriptive_question(20, "the inset")


@pytest.mark.parametrize(
    ("answer", "said"), [("3", "whole"), ("0.5", "1 decimal place."), ("0.50", "2 decimal places.")]
)
def test_charxiv_precision(answer: str, said: str) -> None:
    """`get_number_instruction` in lmms-eval `tasks/charxiv/reasoning_utils.py`."""
    assert said in charxiv_templates.number_format(answer)


@given(text=st.text(max_size=40))
def test_v_star_lists_options_or_says_so(text: str) -> None:
    row = {"text": text, "label": "A", "category": "x", "question_id": "1"}
    row["image"] = {"bytes": picture(), "path": None}
    try:
        assert vstar.read(Row(row)).task.answer.choices
    except RowError as error:
        assert error.column in ("text", "label")  # noqa: PT017


def test_unscored_items_count_nowhere() -> None:
    marked = [Marked(item("x", "a"), 1.0), Marked(item("x", "a"), None), Marked(item("x", "b"), None)]
    assert by_category(marked) == {"accuracy": 1.0, "accuracy/a": 1.0}
    assert accuracy([]) is None
    assert accuracies(marked[:1], lambda one: ("p", "q", "")) == dict.fromkeys(
        ("accuracy", "accuracy/p", "accuracy/q"), 1.0
    )


def test_options_are_shown_by_their_letters() -> None:
    assert with_options("Which?", {"A": "x", "B": "y"}) == "Which?\nA. x\nB. y"


@pytest.mark.parametrize("name", sorted(SUITES))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_text_is_scored_between_0_and_1(name: str, data: st.DataObject, golden_items: dict) -> None:
    """Never raises; the reference itself scores 1, and so does the right option's text."""
    if name not in golden_items:
        pytest.skip("a generated suite has tests of its own")
    asked = data.draw(st.sampled_from(golden_items[name]))
    said = data.draw(st.text(max_size=60) | st.text("0123456789,.%()ABCD *\n-", max_size=30))
    score = find_suite(name).official(asked, said)
    assert score is None or (0.0 <= score <= 1.0 and not math.isnan(score))
    assert find_suite(name).official(asked, asked.task.answer.text) == 1.0
    if right := asked.task.answer.choices.get(asked.task.answer.text):
        assert find_suite(name).official(asked, right) == 1.0


@pytest.fixture(scope="module")
def golden_items(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Item]]:
    from benchmarks.suites import open_suite

    found: dict[str, list[Item]] = {}
    for golden in all_golden():
        items = open_suite(golden.suite, golden.write(tmp_path_factory.mktemp("golden")))
        found.setdefault(golden.suite, []).extend(items.item(index) for index in range(len(items)))
    return found
