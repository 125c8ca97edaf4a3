"""What a batch of trajectories did, in numbers: pure, and JSON-able for trackers and reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from agents.trajectory import Trajectory, Turn
from deepeyes_env.outcome import Outcome
from deepeyes_env.placeholder import is_placeholder
from deepeyes_env.protocol import RunCode, parse_turn
from deepeyes_env.rewards.base import Reward

TOOL_ACTIONS = ("code", "search", "image_search")
"""Actions that call a tool (`Turn.action`)."""


@dataclass(frozen=True, slots=True)
class RolloutMetrics:
    """Figures of a batch of episodes.

    Rates and means are over the scored episodes, that is all but `infra_failed`; 0 when there is none.

    Attributes:
        episodes: All episodes, unscored ones included.
        scored: Episodes that did not fail for infrastructure reasons.
        accuracy: Mean accuracy reward.
        format: Mean format reward.
        reward: Mean total reward.
        answered: Share that ended with an answer.
        truncated: Share that hit a limit of turns, tokens, images or context.
        malformed: Share that ended in a turn without a complete block.
        tool_use: Share that called at least one tool.
        code_calls: Code cells per episode.
        search_calls: Text searches per episode.
        image_search_calls: Image searches per episode.
        invalid_calls: Tool calls per episode that did not parse or named no known tool.
        code_error_rate: Share of code cells that raised, timed out or crashed; 0 when no cell ran.
        placeholder_rate: Share of code cells that do nothing (`is_placeholder`); 0 without a cell.
        turns: Turns per episode.
        response_tokens: Sampled tokens per episode.
        infra_failures: Number of unscored episodes.
    """

    episodes: int
    scored: int
    accuracy: float
    format: float
    reward: float
    answered: float
    truncated: float
    malformed: float
    tool_use: float
    code_calls: float
    search_calls: float
    image_search_calls: float
    invalid_calls: float
    code_error_rate: float
    placeholder_rate: float
    turns: float
    response_tokens: float
    infra_failures: int

    def as_dict(self) -> dict[str, float]:
        """The figures by name, in the order of the fields."""
        return asdict(self)


def summarise(trajectories: Iterable[Trajectory]) -> RolloutMetrics:
    """Count what happened in `trajectories`.

    Args:
        trajectories: Finished episodes, in any order.

    Returns:
        The figures; they do not depend on the order.
    """
    # Not the trajectories themselves: a run's pictures do not fit in memory.
    everything = [_facts(one) for one in trajectories]
    scored = [one for one in everything if one.outcome is not Outcome.INFRA_FAILED]
    actions = Counter(action for one in scored for action, _ in one.actions)
    return RolloutMetrics(
        episodes=len(everything),
        scored=len(scored),
        accuracy=_mean([one.reward.accuracy for one in scored]),
        format=_mean([one.reward.format for one in scored]),
        reward=_mean([one.reward.total for one in scored]),
        answered=_mean([one.outcome is Outcome.ANSWERED for one in scored]),
        truncated=_mean([one.outcome is Outcome.TRUNCATED for one in scored]),
        malformed=_mean([one.outcome is Outcome.MALFORMED for one in scored]),
        tool_use=_mean([any(action in TOOL_ACTIONS for action, _ in one.actions) for one in scored]),
        code_calls=_ratio(actions["code"], len(scored)),
        search_calls=_ratio(actions["search"], len(scored)),
        image_search_calls=_ratio(actions["image_search"], len(scored)),
        invalid_calls=_ratio(actions["invalid"], len(scored)),
        code_error_rate=_code_error_rate(scored),
        placeholder_rate=_ratio(sum(one.placeholders for one in scored), actions["code"]),
        turns=_mean([len(one.actions) for one in scored]),
        response_tokens=_mean([one.sampled for one in scored]),
        infra_failures=len(everything) - len(scored),
    )


def tools_used(trajectory: Trajectory) -> Counter[str]:
    """How often each kind of tool was called in one episode."""
    return Counter(turn.action for turn in trajectory.turns if turn.action in TOOL_ACTIONS)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is counted of one episode.

    Attributes:
        outcome: How it ended.
        reward: Its reward.
        actions: Each action with whether its tool ran without error.
        placeholders: Code cells that do nothing.
        sampled: Sampled tokens.
    """

    outcome: Outcome
    reward: Reward
    actions: tuple[tuple[str, bool | None], ...]
    placeholders: int
    sampled: int


def _facts(one: Trajectory) -> _Facts:
    actions = tuple((turn.action, turn.tool_ok) for turn in one.turns)
    placeholders = sum(_holds_nothing(turn) for turn in one.turns if turn.action == "code")
    return _Facts(one.outcome, one.reward, actions, placeholders, int(one.loss_mask.sum()))


def _holds_nothing(turn: Turn) -> bool:
    action = parse_turn(turn.text)
    return isinstance(action, RunCode) and is_placeholder(action.code)


def _code_error_rate(episodes: Sequence[_Facts]) -> float:
    ran = [ok for one in episodes for action, ok in one.actions if action == "code"]
    finished = [ok for ok in ran if ok is not None]
    return _ratio(finished.count(False), len(finished))


def _mean(values: Sequence[float]) -> float:
    # Sorted, so that the sum's rounding does not depend on the order in which episodes finished.
    return _ratio(sum(sorted(values)), len(values))


def _ratio(part: float, whole: int) -> float:
    return part / whole if whole else 0.0
