"""Is the answer right? A chain of rules from the strict to the lenient, then, if configured, an LLM judge.

Order: exact text, aliases, multiple-choice letter, number with unit and tolerance, mathematical equivalence,
judge. A rule either decides or passes on; what nobody decides counts as wrong, and says so (`confident`).
"""

from __future__ import annotations

from dataclasses import dataclass

from deepeyes_env.rewards.boilerplate import not_for_judges
from deepeyes_env.rewards.choice import choose
from deepeyes_env.rewards.judge import Judge
from deepeyes_env.rewards.mathematics import equivalent
from deepeyes_env.rewards.normalise import normalise
from deepeyes_env.rewards.number import Quantity, close_enough, normalise_unit, parse_quantity
from deepeyes_env.task import Answer, Task

MAX_ANSWER_CHARS = 300
"""An answer of this length or longer earns nothing (reference 3, format check (f))."""

LENGTH = "length"
"""`Grade.rule` of such an answer."""


@dataclass(frozen=True, slots=True)
class Grade:
    """The verdict on an answer.

    Attributes:
        correct: Whether it is right.
        rule: What decided: `empty`, `length`, `exact`, `alias`, `choice`, `number`, `math`, `judge`, `none`;
            `boilerplate` or `injection` for what no judge is shown.
        confident: False where no rule could decide and no judge was there.
    """

    correct: bool
    rule: str
    confident: bool = True


def grade(answer: str, task: Task, judge: Judge | None = None) -> Grade:
    """Grade a final answer.

    Args:
        answer: What the policy wrote between the answer tags.
        task: Question and reference answer.
        judge: Asked where no rule decides.

    Returns:
        The verdict.

    Raises:
        JudgeError: The judge was asked and failed.
    """
    verdict = grade_by_rule(answer, task.answer)
    if verdict.confident or judge is None:
        return verdict
    return grade_by_judge(answer, task, judge)


def grade_by_judge(answer: str, task: Task, judge: Judge) -> Grade:
    """What a judge says of an answer; what only fools judges is wrong, and none is asked.

    Raises:
        JudgeError: The judge was asked and failed.
    """
    if (reason := not_for_judges(answer)) is not None:
        return Grade(False, reason)
    return Grade(judge.says_equivalent(task.question, reference_for_judges(task.answer), answer), "judge")


def reference_for_judges(reference: Answer) -> str:
    """Every wording that is right: a judge that knew only one of them would refuse the others."""
    text = reference.text
    if text in reference.choices:
        text = f"{text}. {reference.choices[text]}"
    return f"{text} (or: {'; '.join(reference.aliases)})" if reference.aliases else text


def grade_by_rule(answer: str, reference: Answer) -> Grade:
    """Grade by rules alone, whatever the answer is.

    Args:
        answer: What the policy wrote between the answer tags.
        reference: The reference answer.

    Raises:
        MathematicsError: The helper that compares expressions failed, which is not the answer's fault.
    """
    if len(answer) >= MAX_ANSWER_CHARS:
        return Grade(False, LENGTH)
    text = normalise(answer)
    if text == normalise(reference.text):
        return Grade(True, "exact")
    if text in map(normalise, reference.aliases):
        return Grade(True, "alias")
    if not any(character.isalnum() for character in text):
        return Grade(False, "empty")
    if reference.choices:
        decided = choose(answer, reference)
        return Grade(False, "none", confident=False) if decided is None else Grade(decided, "choice")
    if (same := _same_quantity(answer, reference)) is not None:
        return Grade(same, "number")
    if equivalent(answer, reference.text):
        return Grade(True, "math")
    return Grade(False, "none", confident=False)


def _same_quantity(answer: str, reference: Answer) -> bool | None:
    """Compare as numbers: with any alias it may agree, but with the reference's text alone it can differ.

    None when either is no number, or when their units differ and might still agree. Only a unit that the
    reference declares may be left out: "5" is not "5k".
    """
    given = parse_quantity(answer)
    if given is None:
        return None
    decided = [_same_as(given, text, reference) for text in (reference.text, *reference.aliases)]
    return True if any(decided) else decided[0]


def _same_as(given: Quantity, text: str, reference: Answer) -> bool | None:
    if (expected := parse_quantity(text)) is None:
        return None
    declared = {normalise_unit(reference.unit) if reference.unit else expected.unit}
    if expected.unit:  # an alias in words of its own
        declared.add(expected.unit)
    if given.unit not in declared and not (reference.unit and not given.unit):
        return None
    return close_enough(given.value, expected.value, reference.tolerance)
