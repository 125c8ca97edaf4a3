"""Two accuracies on different items, as when only a published figure is there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from statsmodels.stats.proportion import confint_proportions_2indep, test_proportions_2indep

from trainers.proportion import CONFIDENCE


@dataclass(frozen=True, slots=True)
class Unpaired:
    """The first share less the second.

    Attributes:
        difference: In [-1, 1].
        low: Lower end of Newcombe's interval.
        high: Upper end.
        p_value: Two-sided score test (Miettinen and Nurminen 1985).
    """

    difference: float
    low: float
    high: float
    p_value: float


def two_proportions(share: float, count: float, other: float, other_count: float) -> Unpaired:
    """Compare two shares of independent cases.

    Args:
        share: The first share.
        count: Its number of cases, or what clustered ones are worth; need not be whole.
        other: The second share.
        other_count: Its number of cases.
    """
    counts = share * count, count, other * other_count, other_count
    low, high = confint_proportions_2indep(*counts, method="newcomb", alpha=1 - CONFIDENCE)
    if share == other and share in (0.0, 1.0):
        # No variance under the hypothesis: the score test would divide by zero.
        return Unpaired(0.0, float(low), float(high), 1.0)
    # statsmodels computes an odds ratio too, which is infinite where a share is 1 and not used here.
    with np.errstate(divide="ignore", invalid="ignore"):
        test = test_proportions_2indep(*counts, method="score")
    return Unpaired(share - other, float(low), float(high), float(test.pvalue))
