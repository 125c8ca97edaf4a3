"""Two sides on the same items: McNemar where pairs are independent, whole clusters swapped where not."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.statistics.bootstrap import cluster_bootstrap
from benchmarks.statistics.clusters import Clusters, by_cluster
from benchmarks.statistics.estimate import wilson
from benchmarks.statistics.permutation import sign_flips
from benchmarks.statistics.power import detectable
from trainers.mcnemar import mcnemar


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second side less the first, on the same items.

    Attributes:
        pairs: Number of pairs with both sides scored.
        clusters: Number of clusters that they come from.
        first: Mean of the first side.
        second: Mean of the second.
        difference: Second less first.
        low: Lower end of the cluster bootstrap's interval of the difference.
        high: Upper end.
        gained: Pairs in which the second side is better.
        lost: Pairs in which it is worse.
        test: `mcnemar` (exact) or `permutation` (of clusters).
        p_value: Two-sided.
        detectable: Smallest difference found with 80 % power at this discordance; None if none is.
    """

    pairs: int
    clusters: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    gained: int
    lost: int
    test: Literal["mcnemar", "permutation"]
    p_value: float
    detectable: float | None


def compare(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[Hashable], seed: int = 0
) -> Comparison:
    """Compare two sides.

    Args:
        first: `[N]` scores in [0, 1], at least one.
        second: `[N]` scores of the same items in the same order.
        clusters: `[N]`; pairs of the same cluster are not independent.
        seed: Of resampling.

    Raises:
        ValueError: There is no pair.
    """
    if not first:
        raise ValueError("nothing to compare: no pair has both sides scored")
    before, after = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    changes = after - before
    grouped = by_cluster(changes.tolist(), clusters)
    gained, lost = int((changes > 0).sum()), int((changes < 0).sum())
    exact = grouped.independent and set(np.unique(np.abs(changes))) <= {0.0, 1.0}
    low, high = interval_of_difference(grouped, seed)
    return Comparison(
        pairs=len(changes),
        clusters=len(grouped.sums),
        first=float(before.mean()),
        second=float(after.mean()),
        difference=grouped.mean,
        low=low,
        high=high,
        gained=gained,
        lost=lost,
        test="mcnemar" if exact else "permutation",
        p_value=mcnemar(gained, lost).p_value if exact else sign_flips(grouped, seed),
        detectable=detectable(grouped.effective_count, float((changes**2).mean())),
    )


def interval_of_difference(grouped: Clusters, seed: int = 0) -> tuple[float, float]:
    """The cluster bootstrap's interval.

    Where no cluster differs from another there is nothing to resample, and still no certainty: as far to both
    sides as Wilson's interval reaches for none of so many clusters.
    """
    found = cluster_bootstrap([grouped], seed)
    if found is not None:
        return found
    reach = wilson(0.0, len(grouped.sums))[1]
    return max(-1.0, grouped.mean - reach), min(1.0, grouped.mean + reach)
