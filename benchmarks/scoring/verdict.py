"""The verdict on an answer: our rules, then a judge where they are not sure, the official metric beside."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.scoring.refusal import refuses
from benchmarks.suites.suite import Item, Official
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.accuracy import LENGTH, Grade, grade_by_judge, grade_by_rule
from deepeyes_env.rewards.boilerplate import not_for_judges
from deepeyes_env.rewards.judge import Judge, JudgeError
from deepeyes_env.rewards.mathematics import MathematicsError

UNSCORED = "unscored"
"""`Result.rule` where there is no verdict."""

STRICT_RULES = (LENGTH, "number")
"""Rules of ours by which an answer may be wrong that a judge calls right."""


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
    The suite's judge is asked about numbers and long answers that we call wrong: to a judge 3518 may be
    3518.17, and a long answer is wrong by our reward alone.

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
        ruled, by_suite = grade_by_rule(answer, item.task.answer), official(item, answer)
    except MathematicsError:
        return Verdict(None, None, UNSCORED)
    refused = refuses(answer)
    if ruled.confident or judge is None:
        grade, failed = ruled, False
    else:
        asked = _judged(item, answer, judge)
        grade, failed = asked or Grade(False, UNSCORED, confident=False), asked is None
    correct = None if failed else grade.correct
    also = None
    if beside and judge and ruled.confident and not_for_judges(answer) is None:
        heard = _judged(item, answer, judge)
        also, failed = None if heard is None else heard.correct, heard is None
    if by_suite is None and judge is not None and not ruled.correct and ruled.rule in STRICT_RULES:
        said = _judged(item, answer, judge) if also is None else Grade(also, "judge")
        failed = failed or said is None
        by_suite = None if said is None else float(said.correct)
    elif by_suite is None and grade.confident and grade.rule != LENGTH:
        by_suite = float(grade.correct)
    return Verdict(correct, by_suite, grade.rule, failed, also, refused)


def _judged(item: Item, answer: str, judge: Judge) -> Grade | None:
    """The judge's grade, or ours for what it must not see; None if it failed."""
    try:
        return grade_by_judge(answer, item.task, judge)
    except JudgeError:
        return None
