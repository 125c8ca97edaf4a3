"""What an export could not hold, counted by reason, so that nobody takes a part for the whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

UNSCORED = "their infrastructure or judge failed: they have no score"


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
