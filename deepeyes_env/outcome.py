"""How an episode can end."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """The end of an episode."""

    ANSWERED = "answered"
    TRUNCATED = "truncated"
    """A limit was reached: turns, tokens, images or context."""
    MALFORMED = "malformed"
    """A turn held no complete block."""
    INFRA_FAILED = "infra_failed"
    """Sandbox, search or judge failed. Never scored: masked or resampled, and counted."""
