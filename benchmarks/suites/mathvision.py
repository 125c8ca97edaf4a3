r"""MATH-Vision, `test`: 3,040 questions of mathematics competitions (arXiv 2402.14804).

Source: `MathLLMs/MathVision` (`id, question, options, image, decoded_image, answer, solution, level,
subject`; read in `data/test.jsonl` of github.com/mathllm/MATH-V at a1f5cc3, where 1,532 questions have five
options and 1,508 none) and VLMEvalKit's `MathVision.tsv` (`answer, choices, category` as
`vlmeval/dataset/utils/mathv.py`, e8e78f0, reads them). Licence: MIT (the hub's page; LICENSE).

The rule was compared with the verdicts that the authors publish (`outputs/`, a1f5cc3): on 15,200 responses of
five models (Gemini-Pro-CoT, Qwen-VL-Plus, Qwen-VL-Max and its CoT, InternLM-XComposer2-VL-CoT) it agrees on
98.9 %. Of the rest nine in ten are right answers that their extraction misses (`(A) triangle`, `120°`); in
the others they take fractions for equal that differ after the second decimal (1/300 and 1/900).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from benchmarks.suites.metrics import by_category, with_options
from benchmarks.suites.row import Row, image, label, optional_text, options, sequence, text
from benchmarks.suites.suite import Card, Item, Release, Suite
from deepeyes_env.rewards.choice import picked_label
from deepeyes_env.rewards.mathematics import equivalent
from deepeyes_env.rewards.normalise import plain
from deepeyes_env.rewards.number import parse_quantity
from deepeyes_env.task import Answer, Skill, Task

DECIMALS = 2
"""Numbers are equal if they are when rounded to these (`is_equal`, MATH-V `evaluation/utils.py`)."""

MAX_CHARS = 300
"""Longer expressions are not handed to the computer algebra system; `equivalent` wants its callers' bound."""

CARD = Card(
    name="mathvision",
    title="MATH-Vision",
    releases=(
        Release(
            "MathLLMs/MathVision",
            "test",
            revision="14b5e86a95856c4231a056b82f658584eae2b309",
            md5={"MathVision.tsv": "93f6de14f7916e598aa1b7165589831e"},
        ),
    ),
    licence="MIT",
    size=3040,
    metric="accuracy by rules: the option's letter or text, or an expression that is equal when rounded to "
    "two decimals (`evaluate.py`, `is_equal` in MATH-V `evaluation/`)",
    paper="arXiv 2402.14804",
    traps=(
        "Two references were corrected on the hub (338: B to D, 1826: D to E; commit a9c9d42). The pinned "
        "one is from before, as most published figures are; a later revision scores these differently.",
        "VLMEvalKit lets an LLM extract the answer first, and MathVision (3,040) is not its testmini (304).",
        "Some references are malformed (`69{degrees}`, `8\\sqrt{3}{squareinches}`, a form feed for `\\f` in "
        "one) and only match as they are written.",
        "Answers to two questions without options are letters (`C`).",
        "The picture is one, also where the question names `<image2>` and more.",
    ),
)

_SAID = re.compile(r"\b(?:final |correct )?answer (?:is|should be)\b:?", re.IGNORECASE)
_LAST_LETTER = re.compile(r"\s\(?([A-E])\)?\.$")
_FIRST_LETTER = re.compile(r"^\(?([A-E])\)?\n")
_CLUTTER = re.compile(r"\\(?:left|right|text|mbox|!|,|\$)|\^\{?\\circ\}?|\$|\s|\\?%|\{\}|units|\{?km\}?")

_SIGNS = ("", "°", "%")
"""What may follow a number that is compared as one; the authors strip these, and of units next to none."""


def read(row: Row) -> Item:
    """One question of its subject."""
    column = "options" if "options" in row else "choices"
    choices = options(row, column) if sequence(row, column) else {}
    right = label(row, "answer", choices) if choices else text(row, "answer")
    asked = text(row, "question")
    task = Task(
        id=f"mathvision/{optional_text(row, 'id') or text(row, 'index')}",
        question=with_options(asked, choices) if choices else asked,
        images=(image(row, "decoded_image" if "decoded_image" in row else "image"),),
        answer=Answer(right, choices=choices),
        skills=frozenset({Skill.REASONING}),
        family="mathvision",
    )
    subject = optional_text(row, "subject") or text(row, "category")
    return Item(task, category=subject, cluster=task.id, facts={"level": optional_text(row, "level")})


def official(item: Item, answer: str) -> float:
    """The authors' rule; it asks no judge."""
    given, reference = extracted(answer), item.task.answer
    choices: Mapping[str, str] = reference.choices
    if not choices:
        return float(equal(given, reference.text))
    right = choices[reference.text]
    letter = picked_label(given, dict(choices))
    return float(choices[letter] == right if letter else equal(given, right))


def extracted(answer: str) -> str:
    r"""The answer without the words around it, as `evaluate` in MATH-V `evaluation/evaluate.py` finds it.

    In this order: a letter that ends or begins the text, the last `\boxed`, what follows "the answer is" in
    its line and sentence.
    """
    answer = answer.strip()
    if letter := _LAST_LETTER.search(answer) or _FIRST_LETTER.match(answer):
        return letter[1]
    if "oxed{" in answer:
        return _until_closed(answer.rpartition("oxed{")[2])
    if said := list(_SAID.finditer(answer)):
        return answer[said[-1].end() :].strip().partition("\n")[0].partition(". ")[0]
    return answer


def _until_closed(expression: str) -> str:
    depth = 1
    for position, character in enumerate(expression):
        depth += (character == "{") - (character == "}")
        if not depth:
            return expression[:position]
    return expression


def equal(given: str, reference: str) -> bool:
    """Whether two expressions are the same text, the same number when rounded, or mathematically equal."""
    if _plain(given) == _plain(reference):
        return bool(_plain(given))
    quantity = parse_quantity(_value_of(given))
    if quantity is not None and quantity.unit in _SIGNS:
        number = _number(reference)
        return number is not None and round(float(quantity.value), DECIMALS) == round(number, DECIMALS)
    return len(given) <= MAX_CHARS and equivalent(given, reference)


def _value_of(expression: str) -> str:
    """What follows the last equals or approximately-equals sign."""
    return re.split(r"=|\\approx", expression)[-1]


def _plain(expression: str) -> str:
    return _CLUTTER.sub("", _value_of(plain(expression)).casefold()).rstrip(".").lstrip(":")


@cache
def _number(reference: str) -> float | None:
    """The value of a reference, which may be LaTeX; None where it has none.

    In this process, because references are the release's and not a policy's.
    """
    quantity = parse_quantity(reference)
    if quantity is not None and quantity.unit in _SIGNS:
        return float(quantity.value)
    from latex2sympy2_extended import latex2sympy

    try:
        return float(latex2sympy(plain(reference)))
    except Exception:  # whatever a computer algebra system cannot digest has no value
        return None


SUITE = Suite(CARD, read, official, by_category)
