"""Counts of counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many.

    Attributes:
        count: How many.
        of: Of how many.
        value: Their ratio; None of none.
    """

    count: int
    of: int
    value: float | None

    def __str__(self) -> str:
        return "–" if self.value is None else f"{self.value:.1%} ({self.count}/{self.of})"


def rate(count: int, of: int) -> Rate:
    """So many of so many."""
    return Rate(count, of, count / of if of else None)
