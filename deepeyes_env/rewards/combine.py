"""Accuracy and format into one reward (reference 3)."""

from __future__ import annotations

from collections.abc import Callable

from deepeyes_env.config import EnvConfig
from deepeyes_env.episode import EpisodeResult
from deepeyes_env.protocol import SearchImage, SearchText
from deepeyes_env.rewards.accuracy import MAX_ANSWER_CHARS, Grade, grade
from deepeyes_env.rewards.base import Reward
from deepeyes_env.rewards.format import format_score
from deepeyes_env.rewards.judge import Judge
from deepeyes_env.task import Skill

ACCURACY_WEIGHT = 0.8
FORMAT_WEIGHT = 0.2
SEARCH_FACTOR = 0.9
"""Once per episode, not per call; on search tasks only (reference 3: `1 - p` with p = 0.1)."""


def deepeyesv2(accuracy: float, format_: float, *, paid_for_search: bool) -> float:
    """The released code's reward: 0.8 accuracy + 0.2 format; searching on a search task costs a tenth."""
    factor = SEARCH_FACTOR if paid_for_search else 1.0
    return ACCURACY_WEIGHT * accuracy * factor + FORMAT_WEIGHT * format_


def paper(accuracy: float, format_: float, *, paid_for_search: bool) -> float:
    """The paper's reward: accuracy + format."""
    return accuracy + format_


COMBINATIONS: dict[str, Callable[..., float]] = {"deepeyesv2": deepeyesv2, "paper": paper}
"""The combinations by name (`EnvConfig.reward`)."""


def score(result: EpisodeResult, config: EnvConfig, judge: Judge | None = None) -> tuple[Reward, Grade]:
    """Score an answered episode.

    Args:
        result: The finished episode, with an answer.
        config: Names the combination and whether reasoning is required.
        judge: Asked where no rule decides.

    Returns:
        The reward and the verdict on the answer.

    Raises:
        JudgeError: The judge was asked and failed; the episode must not be scored.
    """
    answer = result.answer or ""
    verdict = grade(answer, result.task, judge)
    accuracy = float(verdict.correct)
    form = format_score(result, think_required=config.think == "required")
    if len(answer) >= MAX_ANSWER_CHARS:
        form = 0.0
    total = COMBINATIONS[config.reward](accuracy, form, paid_for_search=_paid_for_search(result))
    return Reward(accuracy, form, total), verdict


def _paid_for_search(result: EpisodeResult) -> bool:
    searched = any(isinstance(action, SearchText | SearchImage) for action in result.actions)
    return searched and Skill.SEARCH in result.task.skills
