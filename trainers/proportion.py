"""Shares with their intervals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scipy.stats import binomtest

CONFIDENCE = 0.95
"""Level of every interval."""


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share with its Wilson interval.

    Attributes:
        value: The share, 0 when nothing was counted.
        low: Lower end of the interval.
        high: Upper end.
        count: Number of cases.
    """

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.1%} [{100 * self.low:.0f}, {100 * self.high:.0f}]"


def proportion(hits: Iterable[bool]) -> Proportion:
    """The share of hits, with its interval."""
    outcomes = list(hits)
    if not outcomes:
        return Proportion(0.0, 0.0, 1.0, 0)
    result = binomtest(sum(outcomes), len(outcomes))
    interval = result.proportion_ci(CONFIDENCE, method="wilson")
    return Proportion(result.statistic, interval.low, interval.high, len(outcomes))
