"""The paired permutation test, which swaps the two sides of whole clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import permutation_test

from benchmarks.statistics.bootstrap import CELLS, RESAMPLES
from benchmarks.statistics.clusters import Clusters, Floats


def sign_flips(differences: Clusters, seed: int = 0) -> float:
    """Two-sided p-value: would differences as large arise if either side were as good?

    Under that hypothesis each cluster's difference might as well have the other sign. All sign patterns are
    tried where there are few, else `RESAMPLES` random ones (scipy's `permutation_test`).

    Args:
        differences: Second side less first, by cluster.
        seed: The same seed gives the same p-value.
    """
    # Clusters without a difference add nothing under any sign; without them more tests are exact.
    second = differences.sums[np.abs(differences.sums) > 1e-12]
    if len(second) < 2:
        return 1.0
    first = np.zeros_like(second)

    def difference(a: Any, b: Any, axis: int) -> Floats:
        return np.asarray((b - a).sum(axis))

    found = permutation_test(
        (first, second),
        difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, CELLS // len(second)),
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)
