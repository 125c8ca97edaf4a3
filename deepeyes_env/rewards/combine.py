"""An episode's reward as one number (reference 3): the released combination, the paper's, and three to study.

| `EnvConfig.reward` | Total |
|---|---|
| `deepeyesv2` | 0.8 accuracy + 0.2 format; a search on a search task costs a tenth of the accuracy |
| `paper` | accuracy + format |
| `deepeyes_v1` | 0.8 accuracy + 0.2 (format - 1) + 1.2 if right and a tool gave back a picture |
| `call_bonus` | 0.8 accuracy + 0.2 format + 1.2 for any call, right or wrong |
| `efficient` | 0.8 accuracy + 0.2 format + 0.15 / (1 + calls) if right |

In all but `call_bonus` a right answer never earns less than a wrong one of the same format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deepeyes_env.config import EnvConfig
from deepeyes_env.episode import EpisodeResult
from deepeyes_env.protocol import RunCode, SearchImage, SearchText
from deepeyes_env.rewards.accuracy import MAX_ANSWER_CHARS, Grade, grade
from deepeyes_env.rewards.base import Reward
from deepeyes_env.rewards.format import format_score
from deepeyes_env.rewards.judge import Judge
from deepeyes_env.task import Skill

ACCURACY_WEIGHT = 0.8
FORMAT_WEIGHT = 0.2
SEARCH_FACTOR = 0.9
"""Once per episode, not per call; on search tasks only (reference 3: `1 - p` with p = 0.1)."""

TOOL_BONUS = 1.2
"""DeepEyes v1's weight of its tool bonus (reference 3)."""

EFFICIENCY_WEIGHT = 0.15
"""Weight of efficiency beside accuracy (Metis, arXiv 2604.08545, which gives it an advantage of its own)."""


@dataclass(frozen=True, slots=True)
class Earned:
    """What combinations may pay for.

    Attributes:
        accuracy: 1.0 if the answer is right, else 0.0; in between where a rule gives part of it.
        format: 1.0 if every turn keeps the format, else 0.0.
        paid_for_search: Whether it searched on a search task.
        calls: Tool calls, refused ones included; what names no tool is none.
        images: Pictures that tools gave back.
    """

    accuracy: float
    format: float
    paid_for_search: bool = False
    calls: int = 0
    images: int = 0


def deepeyesv2(earned: Earned) -> float:
    """The released code's reward: searching on a search task costs a tenth, once."""
    factor = SEARCH_FACTOR if earned.paid_for_search else 1.0
    return ACCURACY_WEIGHT * earned.accuracy * factor + FORMAT_WEIGHT * earned.format


def paper(earned: Earned) -> float:
    """The paper's reward."""
    return earned.accuracy + earned.format


def deepeyes_v1(earned: Earned) -> float:
    """DeepEyes v1's reward: a large bonus where a picture came back and the answer is right (reference 3).

    There a broken format costs, instead of a kept one paying: v1's format score is -1 or 0.
    """
    looked = earned.images > 0 and earned.accuracy > 0.5
    return _plain(earned) - FORMAT_WEIGHT + (TOOL_BONUS if looked else 0.0)


def call_bonus(earned: Earned) -> float:
    """The bonus for a call as such, right or wrong: what reference 3 and 5.6 say leads to placeholder code.

    DeepEyes v1's own condition (a picture came back) cannot pay for a cell of comments, which the paper's
    pilot ended with (figure 4), so its bonus must have been for calls. A study object: with it, a wrong
    answer after a call earns more than a right one without.
    """
    return _plain(earned) + (TOOL_BONUS if earned.calls else 0.0)


def efficient(earned: Earned) -> float:
    """Fewer calls earn more, but only where the answer is right: giving tools up never pays by itself.

    The idea and the weight are Metis's (arXiv 2604.08545); `1 / (1 + calls)` and adding it to the reward,
    where Metis keeps two advantages apart, are this project's.
    """
    return _plain(earned) + EFFICIENCY_WEIGHT * earned.accuracy / (1 + earned.calls)


def _plain(earned: Earned) -> float:
    return ACCURACY_WEIGHT * earned.accuracy + FORMAT_WEIGHT * earned.format


COMBINATIONS: dict[str, Callable[[Earned], float]] = {
    "deepeyesv2": deepeyesv2,
    "paper": paper,
    "deepeyes_v1": deepeyes_v1,
    "call_bonus": call_bonus,
    "efficient": efficient,
}
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
    earned = Earned(accuracy, form, _paid_for_search(result), _calls(result), result.tool_images)
    return Reward(accuracy, form, COMBINATIONS[config.reward](earned)), verdict


def _paid_for_search(result: EpisodeResult) -> bool:
    searched = any(isinstance(action, SearchText | SearchImage) for action in result.actions)
    return searched and Skill.SEARCH in result.task.skills


def _calls(result: EpisodeResult) -> int:
    return sum(isinstance(action, RunCode | SearchText | SearchImage) for action in result.actions)
