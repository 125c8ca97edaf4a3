"""McNemar's exact test: did the same tasks become right more often than wrong?"""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import binomtest


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Exact McNemar test on the same tasks before and after.

    Attributes:
        gained: Tasks that became right.
        lost: Tasks that became wrong.
        p_value: Two-sided probability of a split at least as uneven if both were equally likely.
    """

    gained: int
    lost: int
    p_value: float


def mcnemar(gained: int, lost: int) -> PairedTest:
    """The test for so many tasks that changed; 1 where none did."""
    p_value = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    return PairedTest(gained, lost, float(p_value))
