"""Scores of suites whose own rule is an LLM judge: rules where they are sure, else nothing."""

from __future__ import annotations

from deepeyes_env.rewards.accuracy import LENGTH, grade_by_rule
from deepeyes_env.rewards.normalise import normalise
from deepeyes_env.task import Answer


def rules_alone(answer: str, reference: Answer) -> float | None:
    """1 or 0 where a rule of `deepeyes_env.rewards` decides, None where a judge has to.

    Nothing is wrong without a judge: an LLM that extracts finds no answer in it. A long answer is the
    judge's: the limit of its length is our reward's, not the suites'.
    """
    if not normalise(answer):
        return 0.0
    verdict = grade_by_rule(answer, reference)
    return float(verdict.correct) if verdict.confident and verdict.rule != LENGTH else None
