"""A mean score with its interval: Wilson's, widened where scores come in clusters."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.stats import norm, t
from statsmodels.stats.proportion import proportion_confint

from benchmarks.statistics.clusters import Clusters, by_cluster
from trainers.proportion import CONFIDENCE


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean of scores in [0, 1].

    Attributes:
        value: The mean; None when nothing was scored, which is not 0.
        low: Lower end of the interval.
        high: Upper end.
        n: Number of scores.
        clusters: Number of clusters; as many as scores when they are independent.
        interval: `wilson` for independent scores of 0 and 1, `cluster` for all others.
    """

    value: float | None
    low: float
    high: float
    n: int
    clusters: int
    interval: Literal["wilson", "cluster"]

    def __str__(self) -> str:
        if self.value is None:
            return "–"
        return f"{100 * self.value:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def estimate(scores: Sequence[float], clusters: Sequence[Hashable]) -> Estimate:
    """The mean of scores, with its interval.

    Args:
        scores: `[N]`, in [0, 1].
        clusters: `[N]`; scores of the same cluster are not independent.
    """
    if not scores:
        return Estimate(None, 0.0, 1.0, 0, 0, "wilson")
    grouped = by_cluster(scores, clusters)
    simple = grouped.independent and all(score in (0.0, 1.0) for score in scores)
    low, high = wilson(grouped.mean, len(scores)) if simple else cluster_wilson(grouped)
    return Estimate(
        grouped.mean, low, high, len(scores), len(grouped.sums), "wilson" if simple else "cluster"
    )


def wilson(share: float, count: float) -> tuple[float, float]:
    """Wilson's score interval; `count` need not be whole."""
    # The sum of many scores may exceed its bound by rounding.
    share = min(max(share, 0.0), 1.0)
    low, high = proportion_confint(share * count, count, alpha=1 - CONFIDENCE, method="wilson")
    # Its ends at 0 and 1 are exact; rounding may leave the mean outside.
    return min(float(low), share), max(float(high), share)


def cluster_wilson(grouped: Clusters) -> tuple[float, float]:
    """Wilson's interval for as many scores as the clusters are worth.

    Design effect and degrees of freedom as Korn and Graubard (1998) do for the exact interval of survey
    proportions; Franco, Little, Louis and Slud (2019) compare such intervals. By simulation it covers 95 %
    from about ten right and ten wrong clusters on, and 91 % where two or three of fifty hold all wrong ones.
    A single cluster says nothing of how clusters differ: [0, 1].
    """
    clusters = len(grouped.sums)
    if clusters < 2:
        return 0.0, 1.0
    if grouped.variance <= 0:
        # All alike: each cluster counts as one score, and no variance was estimated that could be off.
        return wilson(grouped.mean, clusters)
    tail = (1 + CONFIDENCE) / 2
    shrink = float(norm.ppf(tail) / t.ppf(tail, clusters - 1)) ** 2
    return wilson(grouped.mean, grouped.effective_count * shrink)
