"""The official metrics of the suites of mathematics, against what their authors' code says."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.suites import dynamath, logicvista, mathverse, mathvision, mathvista, wemath
from benchmarks.suites.choice_lists import listed_choices
from benchmarks.suites.suite import Item, Marked
from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Task

NOTHING = EncodedImage(b"", 1, 1, "0")


def item(text: str, options: Mapping[str, str] | None = None, cluster: str = "c", **facts: object) -> Item:
    task = Task(f"suite/{cluster}", "?", (NOTHING,), Answer(text, choices=options or {}))
    return Item(task, "category", cluster, facts=facts)


# MathVista: `demo_prompt` (evaluation/prompts/ext_ans.py), `normalize_extracted_answer` (calculate_score.py).
@pytest.mark.parametrize(
    ("kind", "precision", "right", "given", "score"),
    [
        ("integer", None, "14", "14", 1.0),
        ("float", 1, "0.6", "0.6", 1.0),
        ("float", 2, "1.45", "$1.45", 1.0),
        ("list", None, "[2007, 2008]", "[2007, 2008]", 1.0),
        ("list", None, "[2007, 2008]", "[2007,2008]", 1.0),
        ("list", None, "[2007, 2008]", "[2008, 2007]", 0.0),
        ("list", None, "[2007, 2008]", "2007 and 2008", None),
        ("integer", None, "2", "2.9", 1.0),  # str(int(float("2.9")))
        ("integer", None, "-3", "-3", 1.0),
        ("integer", None, "2", "about two or three", None),
        ("float", 1, "1.2", "1.2345 m", 1.0),  # str(round(1.2345, 1))
        ("float", 1, "1.2", "1.26", 0.0),
        ("float", 1, "0.0", "0", 1.0),
        ("float", 1, "1.2", "", 0.0),
        ("float", None, "1.2", "1.2", 1.0),  # VLMEvalKit's file has no precision
        ("float", None, "1.25", "1.3", 0.0),
    ],
)
def test_mathvista(kind: str, precision: int | None, right: str, given: str, score: float | None) -> None:
    asked = item(right, answer=right, answer_type=kind, precision=precision)
    assert mathvista.official(asked, given) == score


def test_mathvista_compares_options_by_their_text() -> None:
    options = {"A": "15", "B": "100", "C": "50", "D": "50"}  # item 740
    asked = item("C", options, answer="50", answer_type="text", precision=None)
    scores = [mathvista.official(asked, answer) for answer in ("C", "D", "(D) 50", "B", "100", "half", "")]
    assert scores == [1.0, 1.0, 1.0, 0.0, 0.0, None, 0.0]


CHORD = {"A": "2", "B": "2√{3}", "C": "√{3}", "D": "2√{2}"}
ELLIPSE = {"A": "\\frac{x^2}{81} + \\frac{y^2}{9} = 1", "B": "Can not determine."}


# MathVerse: the examples of `demo_prompt_score` in evaluation/prompts.py with their judgement.
@pytest.mark.parametrize(
    ("right", "choices", "given", "judgement", "decided"),
    [
        ("(-2,1]", {}, "\\((-2, 1)\\)", 0.0, False),
        ("C", CHORD, "B:2√{3}", 0.0, True),
        ("domain: [-4, 0) and range: (-3, 1]", {}, "Range: \\((-4, 1]\\)", 0.0, False),
        ("C", CHORD, "null", 0.0, False),
        ("A", ELLIPSE, "\\frac{x^2}{81} + \\frac{y^2}{9} = 1", 1.0, True),
        ("A", ELLIPSE, "", 0.0, True),
        ("11.8", {}, "11.8", 1.0, True),
        ("C\nD", CHORD, "C\nD", 1.0, True),
    ],
)
def test_mathverse(
    right: str, choices: dict[str, str], given: str, judgement: float, *, decided: bool
) -> None:
    score = mathverse.official(item(right, choices=choices), given)
    assert score == (judgement if decided else None)


FIVE = {"A": "$\\frac{1}{2}$", "B": "$2$", "C": "$3 \\mathrm{~cm}$", "D": "another value", "E": "1 and 3"}


# MATH-Vision: responses with the verdict of evaluation/evaluate.py (published in outputs/), or by `is_equal`.
@pytest.mark.parametrize(
    ("right", "choices", "given", "score"),
    [
        ("60", {}, "60", 1.0),  # outputs/closed-source/Gemini/Gemini-Pro.jsonl, id 1
        ("A", dict(zip("ABCDE", "ABCDE", strict=True)), "A", 1.0),  # the same, id 2
        ("A", FIVE, "(C)", 0.0),  # the same, id 659
        ("C", FIVE, "The answer is (C).", 1.0),
        ("B", FIVE, "Therefore \\boxed{2}$.", 1.0),
        ("A", FIVE, "So $x=\\boxed{\\frac{1}{2}}$", 1.0),
        ("3", {}, "3 and 6", 0.0),  # the same, id 691
        ("7/3", {}, "2.33", 1.0),  # rounded to two decimals
        ("7/3", {}, "2.3", 0.0),
        ("\\frac{\\sqrt{21}}{5}", {}, "0.9165", 1.0),
        ("$4 \\pi$", {}, "4\\pi", 1.0),
        ("69{degrees}", {}, "69", 0.0),
        ("11 ", {}, "", 0.0),
    ],
)
def test_mathvision(right: str, choices: dict[str, str], given: str, score: float) -> None:
    assert mathvision.official(item(right, choices), given) == score


def we(problem: str, step: str, right: str = "C") -> Item:
    return item(right, dict(zip("ABCD", "wxyz", strict=True)), problem, problem=problem, key=f"?_{step}")


# We-Math: `load_and_process_data` in evaluation/four_dimensional_metrics.py.
@pytest.mark.parametrize(
    ("given", "score"),
    [
        ("<Thought process>: It is. <Answer>: C", 1.0),
        ("Answer: C.", 1.0),
        ("(C) y", 1.0),
        ("y", 1.0),
        ("Answer: B", 0.0),
        ("Certainly not", 1.0),  # the authors' flaw: the first letter counts
        ("certainly", 0.0),
        ("", 0.0),
    ],
)
def test_wemath(given: str, score: float) -> None:
    assert wemath.official(we("2steps_1", "1"), given) == score


def test_wemath_figures_are_those_of_the_authors_script() -> None:
    """A pattern of right and wrong over the release's ids; the script printed the counts below (a57a0e8)."""
    marked = []
    for number in range(1, 361):
        marked += _pattern(f"2steps_{number}", number, {"1": 1, "2": 2, "multi": 5})
    for number in range(1, 166):
        marked += _pattern(f"3steps_{number}", number, {"1": 1, "2": 2, "3": 3, "multi": 5})
    figures = wemath.summarise(marked)
    assert {name: round(value, 6) for name, value in figures.items()} == {
        "accuracy": round(figures["accuracy"], 6),
        "insufficient_knowledge": round(122 / 525, 6),
        "inadequate_generalisation": round(72 / 525, 6),
        "strict": 0.287619,
        "complete_mastery_strict": round(115 / 525, 6),
        "rote_memorisation_strict": round(216 / 331, 6),
        "loose": 0.636190,
        "complete_mastery_loose": round(298 / 525, 6),
        "rote_memorisation_loose": round(33 / 331, 6),
        "one_step_accuracy": round(figures["one_step_accuracy"], 6),
        "two_step_accuracy": round(figures["two_step_accuracy"], 6),
        "three_step_accuracy": round(figures["three_step_accuracy"], 6),
        "problems": 525.0,
    }


def _pattern(problem: str, n: int, steps: Mapping[str, int]) -> list[Marked]:
    return [
        Marked(we(problem, step), float((31 * n + 17 * i + 7 * n * i + n // 5) % 11 < 7))
        for step, i in steps.items()
    ]


def test_wemath_leaves_out_problems_that_are_not_whole() -> None:
    marked = [Marked(we("2steps_1", step), 1.0) for step in ("1", "2", "multi")]
    marked += [Marked(we("2steps_2", step), 0.0) for step in ("1", "multi")]
    marked += [Marked(we("2steps_3", "1"), None)]
    marked += [Marked(we("2steps_3", step), 0.0) for step in ("2", "multi")]
    figures = wemath.summarise(marked)
    assert (figures["problems"], figures["strict"], figures["accuracy"]) == (1.0, 1.0, 3 / 7)


SCORES = st.sampled_from([0.0, 1.0, None])


@given(scores=st.lists(st.tuples(SCORES, SCORES, SCORES), min_size=1, max_size=8))
def test_wemath_strict_is_at_most_loose(scores: list[tuple[float | None, ...]]) -> None:
    marked = [
        Marked(we(f"2steps_{number}", step), score)
        for number, triple in enumerate(scores)
        for step, score in zip(("1", "2", "multi"), triple, strict=True)
    ]
    figures = wemath.summarise(marked)
    assert figures["problems"] == sum(None not in triple for triple in scores)
    if figures["problems"]:
        assert 0 <= figures["strict"] <= figures["loose"] <= 1
        for kind in ("strict", "loose"):
            parts = figures["insufficient_knowledge"] + figures["inadequate_generalisation"]
            right = figures["two_step_accuracy"]
            mastered, rote = figures[f"complete_mastery_{kind}"], figures[f"rote_memorisation_{kind}"]
            assert parts + mastered + rote * right == pytest.approx(1)


# DynaMath: evaluation/opensource_json_eval.py, and `DynaMath_auxeval` in VLMEvalKit for what has no number.
@pytest.mark.parametrize(
    ("kind", "right", "given", "score"),
    [
        ("float", "2.0944", "2.094", 1.0),
        ("float", "2.0944", "2.096", 0.0),
        ("float", "6.283", "2π", 1.0),
        ("float", "4.75", "4.75 cm", 1.0),
        ("float", "1000", "1000.01", 0.0),
        ("float", "0.0", "0.001", 1.0),
        ("float", "2.0", "nan", None),
        ("float", "2.0", "two", None),
        ("text", "May", "It is May.", 1.0),
        ("text", "May", "M", 0.0),  # right to VLMEvalKit: it looks the other way round
        ("text", "May", "", 0.0),  # the same
        ("multiple choice", "B", "B", 1.0),
        ("multiple choice", "B", "(b)", 1.0),
        ("multiple choice", "B", "C.", 0.0),
        ("multiple choice", "B", "the second", None),
    ],
)
def test_dynamath(kind: str, right: str, given: str, score: float | None) -> None:
    assert dynamath.official(item(right, answer_type=kind, choices=dynamath.LETTERED), given) == score


@given(
    scores=st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=10), min_size=1, max_size=8)
)
def test_dynamath_worst_case_is_at_most_the_average(scores: list[list[float]]) -> None:
    size = min(map(len, scores))
    scores = [variants[:size] for variants in scores]
    figures = dynamath.summarise(_variants(scores))
    assert figures["worst_case"] == sum(min(variants) for variants in scores) / len(scores)
    assert 0 <= figures["worst_case"] <= figures["accuracy"] <= 1


def test_dynamath_worst_case_needs_all_variants() -> None:
    figures = dynamath.summarise(_variants([[1.0, 1.0], [1.0, None], [0.0, None]]))
    assert figures == {"accuracy": 0.75, "worst_case": 1.0, "questions": 1.0}


def _variants(scores: list) -> list[Marked]:
    return [
        Marked(item("1", cluster=str(question)), score)
        for question, variants in enumerate(scores)
        for score in variants
    ]


# LogicVista: `extract_accuracy.py`, and the examples of `build_prompt_logicvista` in VLMEvalKit.
@pytest.mark.parametrize(
    ("right", "given", "score"),
    [
        ("C", "C", 1.0),
        ("C", "(c).", 1.0),
        ("A, C", "A, C", 1.0),
        ("A, C", "C and A", 1.0),
        ("A, C", "A", 0.0),
        ("C", "A, C", 0.0),
        ("3", "3", 1.0),
        ("G", "G", 1.0),
        ("D", 'The figure on the right, labeled "D," is a rotation.', None),
        ("D", "", 0.0),
    ],
)
def test_logicvista(right: str, given: str, score: float | None) -> None:
    assert logicvista.official(item(right), given) == score


@pytest.mark.parametrize(
    ("given", "score"),
    [("7", 1.0), ("B", 1.0), ("(B) 7", 1.0), ("5", 0.0), ("A", 0.0), ("A, B", 0.0), ("x", 0.0)],
)
def test_logicvista_with_listed_options(given: str, score: float) -> None:
    assert logicvista.official(item("B", {"A": "5", "B": "7", "C": "9"}), given) == score


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("A. 300, 400;B. 400, 300; C. No correct answer", ["300, 400", "400, 300", "No correct answer"]),
        ("A. ①;B．②;C. ③", ["①", "②", "③"]),
        ("A. 45° B. 60° ;C. 120°; D. No", ["45°", "60°", "120°", "No"]),
        ("A. A; B. B; C. C; D. E", ["A", "B", "C", "E"]),
        ("True? (A) True (B)False", ["True", "False"]),
        ("from point A. Find it.\nChoice:\nA. 090\nB. 180", ["090", "180"]),
        ("the length of BC\nChoices:\nA:2\nB:2√{3}", ["2", "2√{3}"]),
        ("Select from (A), (B) and (C).\n(A) 4cm, (B) 6cm, (C) both", ["4cm,", "6cm,", "both"]),
        ("(A) hold it at A. (B) hold it at B.", ["hold it at A.", "hold it at B."]),
        ("Select from A, B, C, and D. (A) (B) (C) (D)", []),
        ("Which of A, B and C?", []),
        ("A. only", []),
    ],
)
def test_listed_choices(text: str, choices: list[str]) -> None:
    assert listed_choices(text) == dict(zip("ABCDEFG", choices, strict=False))


ANSWERS = st.text(max_size=30) | st.text("ABC()., \\{}$=-0123456789πfracsqrtboxed answeris", max_size=30)
EVERY_KIND = [
    (mathvista.official, item("14", answer="14", answer_type="integer", precision=None)),
    (mathvista.official, item("0.6", answer="0.6", answer_type="float", precision=1)),
    (mathvista.official, item("[1]", answer="[1]", answer_type="list", precision=None)),
    (mathvista.official, item("C", CHORD, answer="√{3}", answer_type="text", precision=None)),
    (mathverse.official, item("C", choices=CHORD)),
    (mathverse.official, item("\\frac{\\sqrt{30}}{2}", choices={})),
    (mathvision.official, item("A", FIVE)),
    (mathvision.official, item("\\frac{\\sqrt{21}}{5}")),
    (wemath.official, we("2steps_1", "1")),
    *(
        (dynamath.official, item("2", answer_type=kind, choices=dynamath.LETTERED))
        for kind in ("float", "text", "multiple choice")
    ),
    (logicvista.official, item("A, C")),
]


@pytest.mark.parametrize(("official", "asked"), EVERY_KIND)
@settings(max_examples=40, deadline=None)
@given(answer=ANSWERS)
def test_any_text_is_scored_between_zero_and_one(official, asked: Item, answer: str) -> None:
    score = official(asked, answer)
    assert score is None or 0.0 <= score <= 1.0


@pytest.mark.parametrize(("official", "asked"), EVERY_KIND[:9] + EVERY_KIND[9:11] + EVERY_KIND[12:])
def test_the_reference_is_right(official, asked: Item) -> None:
    assert official(asked, asked.task.answer.text) == 1.0


@given(number=st.integers(-(10**9), 10**9))
def test_a_whole_number_is_right_however_it_is_written(number: int) -> None:
    asked = item(str(number), answer=str(number), answer_type="integer", precision=None)
    for written in (f"{number}", f"{number:,}", f"{number}.0", f"\\boxed{{{number}}}", f"**{number}**"):
        assert mathvista.official(asked, written) == 1.0
    assert mathvista.official(asked, str(number + 1)) == 0.0
