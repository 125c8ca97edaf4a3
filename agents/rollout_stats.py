"""What a rollout is doing right now, for whoever watches it. Wall-clock figures: never part of a result."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class RolloutStats:
    """Live figures of one rollout; the rollout counts, others read.

    Attributes:
        episodes: Finished episodes.
        turns: Turns taken.
        sampled_tokens: Tokens sampled, wasted ones included.
        wasted_tokens: Sampled in attempts that the infrastructure spoiled.
        retries: Episodes begun anew.
        generating: Episodes that await the policy now: the queue in front of it and the turns at work.
        performing: Episodes that await a tool or the reward now.
        tool_turns: Turns performed.
        tool_seconds: Wall time of all performed turns together, waits for a free worker not counted.
        failures: Why the infrastructure failed, in order.
        started: When, on the monotonic clock.
    """

    episodes: int = 0
    turns: int = 0
    sampled_tokens: int = 0
    wasted_tokens: int = 0
    retries: int = 0
    generating: int = 0
    performing: int = 0
    tool_turns: int = 0
    tool_seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.monotonic() - self.started

    @property
    def episodes_per_second(self) -> float:
        """Finished episodes per second so far."""
        return self.episodes / max(self.seconds, 1e-9)

    @property
    def tokens_per_second(self) -> float:
        """Sampled tokens per second so far."""
        return self.sampled_tokens / max(self.seconds, 1e-9)

    @property
    def tool_latency(self) -> float:
        """Mean wall time of a performed turn in seconds."""
        return self.tool_seconds / max(self.tool_turns, 1)

    @contextmanager
    def generation(self) -> Iterator[None]:
        """One episode awaits the policy."""
        self.generating += 1
        try:
            yield
        finally:
            self.generating -= 1

    @contextmanager
    def performance(self) -> Iterator[None]:
        """One episode awaits its tool."""
        self.performing += 1
        try:
            yield
        finally:
            self.performing -= 1
