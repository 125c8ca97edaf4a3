"""How often a policy was right on a task, and what may be concluded from it.

An attempt that the infrastructure spoiled is no attempt: it is made again at the next start. Until then a
task is judged only if the attempts that are missing could not change the verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from agents.store import Summary
from deepeyes_env.outcome import Outcome


class Attempt(NamedTuple):
    """One attempt that was scored.

    Attributes:
        right: Whether it ended with a right answer.
        tools: Whether it called a tool.
    """

    right: bool
    tools: bool

    @classmethod
    def of(cls, summary: Summary) -> Attempt:
        """What counts of a rollout."""
        right = summary.outcome is Outcome.ANSWERED and summary.reward.accuracy >= 1.0
        return cls(right, bool(summary.tools))


@dataclass(frozen=True, slots=True)
class Tally:
    """A task's attempts.

    Attributes:
        digest: The task.
        wanted: How many there are to be.
        scored: How many there are.
        right: Right answers among them.
        tools: Those among them that called a tool.
        right_tools: Those that did both.
    """

    digest: str
    wanted: int
    scored: int
    right: int
    tools: int = 0
    right_tools: int = 0

    @property
    def missing(self) -> int:
        """Attempts that the infrastructure spoiled."""
        return self.wanted - self.scored

    def at_most(self, right: int) -> bool | None:
        """Whether at most so many attempts are right; None while that depends on missing ones."""
        if self.right > right:
            return False
        return True if self.right + self.missing <= right else None

    def at_least(self, right: int) -> bool | None:
        """Whether at least so many attempts are right; None while that depends on missing ones."""
        fewer = self.at_most(right - 1)
        return None if fewer is None else not fewer


def tally(digest: str, wanted: int, attempts: Iterable[Attempt]) -> Tally:
    """Count a task's attempts.

    Args:
        digest: The task.
        wanted: How many attempts there are to be.
        attempts: Those that were scored.
    """
    scored = list(attempts)
    return Tally(
        digest,
        wanted,
        len(scored),
        sum(one.right for one in scored),
        sum(one.tools for one in scored),
        sum(one.right and one.tools for one in scored),
    )
