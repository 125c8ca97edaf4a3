"""What an export could not hold, counted by reason, so that nobody takes a part for the whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from benchmarks.result import Result

UNSCORED = "their infrastructure or judge failed: they have no score"

UNJUDGED = "their suite's metric asks a judge where no rule is sure, and there was none; set --judge"
"""Rules are sure of what is right far more often than of what is wrong."""


@dataclass(slots=True)
class Exported:
    """What was written.

    Attributes:
        samples: How many draws they hold.
        left_out: Why others are missing -> how many.
        notes: What a reader has to know of those that are there -> of how many.
    """

    samples: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)


def is_unjudged(result: Result) -> bool:
    """Whether a result has no official score for want of a judge, and not because anything failed."""
    return result.official is None and result.correct is not None and not result.judge_failed
