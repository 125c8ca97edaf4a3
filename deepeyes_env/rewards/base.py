"""The reward of an episode as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reward:
    """An episode's reward and its parts.

    Attributes:
        accuracy: 1.0 if the answer is right, else 0.0.
        format: 1.0 if every turn keeps the format, else 0.0.
        total: The configured combination of both; what the policy is trained on.
    """

    accuracy: float
    format: float
    total: float


NO_REWARD = Reward(0.0, 0.0, 0.0)
"""What an episode that ended without an answer earns, and what an unscored one carries as a placeholder."""
