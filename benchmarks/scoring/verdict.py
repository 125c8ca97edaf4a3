"""The verdict on an answer: our rules, then a judge where they are not sure, the official metric beside."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.scoring.boilerplate import not_for_judges
from benchmarks.scoring.refusal import refuses
from benchmarks.suites.suite import Item, Official
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.accuracy import LENGTH, Grade, grade_by_rule
from deepeyes_env.rewards.judge import Judge, JudgeError
from deepeyes_env.rewards.mathematics import MathematicsError
from deepeyes_env.task import Answer

UNSCORED = "unscored"
"""`Result.rule` where there is no verdict."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer is worth; see `benchmarks.result.Result` for the fields.

    Attributes:
        correct: Our verdict, or None.
        official: The suite's own metric in [0, 1], or None.
        rule: What decided.
        judge_failed: Whether a judge was asked, alone or beside the rules, and gave no verdict.
        judged: The judge's verdict where it was asked beside the rules.
        refused: Whether the answer was that the question cannot be answered.
    """

    correct: bool | None
    official: float | None
    rule: str
    judge_failed: bool = False
    judged: bool | None = None
    refused: bool = False


def verdict(
    item: Item,
    answer: str | None,
    outcome: Outcome,
    official: Official,
    judge: Judge | None = None,
    *,
    beside: bool = False,
) -> Verdict:
    """Score an episode.

    No answer is wrong by every metric; failed infrastructure, of the episode or of the rules, is no verdict.
    Where the official metric asks a judge, our own verdict stands in for its judge's, if there is a sure one.
    A long answer is wrong by our reward alone: the suite's judge is asked.

    Args:
        item: The item as it was shown.
        answer: The policy's final answer, or None.
        outcome: How the episode ended.
        official: The suite's own metric.
        judge: Asked where no rule is sure; None for rules alone.
        beside: Whether to ask the judge about what rules have decided too.
    """
    if outcome is Outcome.INFRA_FAILED:
        return Verdict(None, None, UNSCORED)
    if answer is None:
        return Verdict(False, 0.0, "none")
    try:
        ruled = grade_by_rule(answer, item.task.answer)
    except MathematicsError:
        return Verdict(None, None, UNSCORED)
    refused = refuses(answer)
    by_suite = official(item, answer)
    if ruled.confident or judge is None:
        grade, failed = ruled, False
    else:
        asked = _judged(item, answer, judge)
        grade, failed = asked or Grade(False, UNSCORED, confident=False), asked is None
    correct = None if failed else grade.correct
    also = None
    if beside and judge and ruled.confident and not_for_judges(answer) is None:
        also = _asked(item, answer, judge)
        failed = also is None
    if by_suite is None and ruled.rule == LENGTH:
        said = None if judge is None else _judged(item, answer, judge)
        failed = failed or (judge is not None and said is None)
        by_suite = None if said is None else float(said.correct)
    elif by_suite is None and grade.confident:
        by_suite = float(grade.correct)
    return Verdict(correct, by_suite, grade.rule, failed, also, refused)


def _judged(item: Item, answer: str, judge: Judge) -> Grade | None:
    """The judge's grade, or ours for what it must not see; None if it failed."""
    if (reason := not_for_judges(answer)) is not None:
        return Grade(False, reason)
    said = _asked(item, answer, judge)
    return None if said is None else Grade(said, "judge")


def _asked(item: Item, answer: str, judge: Judge) -> bool | None:
    """What the judge says; None if it failed."""
    try:
        return judge.says_equivalent(item.task.question, reference_for_judges(item.task.answer), answer)
    except JudgeError:
        return None


def reference_for_judges(reference: Answer) -> str:
    """Every wording that is right: a judge that knew only one of them would refuse the others."""
    text = reference.text
    if text in reference.choices:
        text = f"{text}. {reference.choices[text]}"
    return f"{text} (or: {'; '.join(reference.aliases)})" if reference.aliases else text
