"""Intervals by resampling whole clusters: for differences, and for means over several suites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from benchmarks.statistics.clusters import Clusters, Floats
from trainers.proportion import CONFIDENCE

RESAMPLES = 9_999
"""Of every bootstrap and every permutation test: scipy's own default for both."""

CELLS = 4_000_000
"""Numbers drawn at once; bounds the memory, not the result."""


def cluster_bootstrap(strata: Sequence[Clusters], seed: int = 0) -> tuple[float, float] | None:
    """Interval of the mean over strata (suites) of each stratum's mean score.

    Percentiles of resamples in which every stratum's clusters are drawn anew (scipy's `bootstrap`).

    Args:
        strata: Scores by cluster; one stratum for a single mean or difference.
        seed: The same seed gives the same interval.

    Returns:
        Lower and upper end; None where there is nothing to resample: a stratum of one cluster, or no cluster
        that differs from another.
    """
    if any(len(stratum.sums) < 2 for stratum in strata):
        return None
    if all(stratum.variance_of_mean <= 1e-18 for stratum in strata):
        return None

    def mean(*chosen: Any, axis: int) -> Floats:
        means = [
            stratum.sums[rows].sum(axis) / stratum.sizes[rows].sum(axis)
            for stratum, rows in zip(strata, chosen, strict=True)
        ]
        return np.mean(means, axis=0)

    # The samples are numbers of clusters, so that a cluster's sum and size stay together.
    places = tuple(np.arange(len(stratum.sums)) for stratum in strata)
    found = bootstrap(
        places,
        mean,
        n_resamples=RESAMPLES,
        batch=max(1, CELLS // max(map(len, places))),
        vectorized=True,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)
