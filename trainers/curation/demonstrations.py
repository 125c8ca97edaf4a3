"""Which of a teacher's trajectories may be imitated (reference 4.1: answer right, code error-free)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from agents.trajectory import Trajectory
from deepeyes_env.outcome import Outcome


class Flaw(StrEnum):
    """Why a trajectory is left out; the first that applies counts."""

    INFRASTRUCTURE = "infrastructure failed"
    UNFINISHED = "no answer"
    WRONG = "wrong answer"
    CODE = "code error"
    FORMAT = "format broken"
    REPEATED = "repeats another attempt"
    SURPLUS = "more than are kept per task"


def flaw(trajectory: Trajectory) -> Flaw | None:
    """What is wrong with a trajectory by itself, or None."""
    if trajectory.outcome is Outcome.INFRA_FAILED:
        return Flaw.INFRASTRUCTURE
    if trajectory.outcome is not Outcome.ANSWERED:
        return Flaw.UNFINISHED
    if trajectory.reward.accuracy < 1.0:
        return Flaw.WRONG
    if any(turn.action == "code" and turn.tool_ok is False for turn in trajectory.turns):
        return Flaw.CODE
    return None if trajectory.reward.format >= 1.0 else Flaw.FORMAT


def flaws(attempts: Mapping[int, Trajectory], keep: int) -> dict[int, Flaw | None]:
    """What is wrong with a task's trajectories.

    Args:
        attempts: Number of the attempt -> its trajectory, in any order.
        keep: Most of them to be kept: the lowest numbers of those without a flaw and all different.

    Returns:
        Number of the attempt -> why it is left out, or None if it is kept.
    """
    found: dict[int, Flaw | None] = {}
    kept: list[Sequence[str]] = []
    for number in sorted(attempts):
        said = [turn.text for turn in attempts[number].turns]
        wrong = flaw(attempts[number])
        if wrong is None and said in kept:
            wrong = Flaw.REPEATED
        elif wrong is None and len(kept) >= keep:
            wrong = Flaw.SURPLUS
        elif wrong is None:
            kept.append(said)
        found[number] = wrong
    return found
