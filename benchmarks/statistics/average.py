"""The mean of counts, such as calls or tokens a draw, with its interval."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import sqrt

from scipy.stats import t

from benchmarks.statistics.clusters import by_cluster
from trainers.proportion import CONFIDENCE


@dataclass(frozen=True, slots=True)
class Average:
    """A mean of counts.

    Attributes:
        value: The mean; None of nothing.
        low: Lower end of its interval; None where there is none: one cluster, or none that differs.
        high: Upper end.
        n: Number of counts.
        clusters: Number of clusters.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int

    def to_text(self, digits: int) -> str:
        """The mean, and its interval where it has one."""
        if self.value is None:
            return "–"
        if self.low is None or self.high is None:
            return f"{self.value:.{digits}f}"
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def average(counts: Sequence[float], clusters: Sequence[Hashable]) -> Average:
    """The mean of counts.

    The interval is Student's over the cluster-robust variance (Miller 2024, section 2.2), with as many
    degrees of freedom as there are clusters but one, and never below 0.

    Args:
        counts: `[N]`, from 0.
        clusters: `[N]`; counts of the same cluster are not independent.
    """
    if not counts:
        return Average(None, None, None, 0, 0)
    grouped = by_cluster(counts, clusters)
    size = len(grouped.sums)
    if size < 2 or grouped.variance_of_mean <= 0:
        return Average(grouped.mean, None, None, len(counts), size)
    reach = float(t.ppf((1 + CONFIDENCE) / 2, size - 1)) * sqrt(grouped.variance_of_mean)
    return Average(grouped.mean, max(0.0, grouped.mean - reach), grouped.mean + reach, len(counts), size)
