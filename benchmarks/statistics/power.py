"""Which difference could a paired comparison have found at all?"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

from benchmarks.statistics.clusters import Floats

POWER = 0.8
"""Probability of finding a difference that is there, by convention (Cohen 1988; Miller 2024, section 5)."""

LEVEL = 0.05
"""Of every test."""


def mcnemar_power(pairs: int, discordance: float, difference: float) -> float:
    """Probability that McNemar's exact two-sided test at 5 % rejects.

    Exact: sums over how many pairs are discordant and how these fall.

    Args:
        pairs: Number of independent pairs.
        discordance: Share of pairs in which exactly one side is right.
        difference: Accuracy of the one side less that of the other; at most the discordance.
    """
    spread = 8 * np.sqrt(pairs * discordance * (1 - discordance)) + 8
    centre = pairs * discordance
    changed = np.arange(max(0, int(centre - spread)), min(pairs, int(centre + spread)) + 1)
    share = (1 + difference / discordance) / 2
    # The largest count whose two-sided p-value, twice the tail of a fair coin, is at most the level.
    critical = binom.ppf(LEVEL / 2, changed, 0.5)
    critical = np.where(2 * binom.cdf(critical, changed, 0.5) > LEVEL, critical - 1, critical)
    rejected: Floats = binom.cdf(critical, changed, share) + binom.sf(changed - critical - 1, changed, share)
    return float((binom.pmf(changed, pairs, discordance) * rejected).sum())


def detectable(pairs: float, discordance: float) -> float | None:
    """The smallest true difference in accuracy that the test finds with 80 % power.

    Args:
        pairs: Number of independent pairs, or what clustered ones are worth.
        discordance: Share of pairs in which exactly one side is right.

    Returns:
        None where even the largest difference with this discordance would be missed.
    """
    whole, largest = int(pairs), min(discordance, 1.0)
    if whole < 1 or largest <= 0 or mcnemar_power(whole, largest, largest) < POWER:
        return None
    return float(brentq(lambda d: mcnemar_power(whole, largest, d) - POWER, 0.0, largest, xtol=1e-5))
