"""Scores grouped by what makes them alike: cycles of one question, twins, samples and seeds of one item."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Scores by cluster; whoever resamples or swaps takes whole clusters.

    Shapes: `G` clusters.

    Attributes:
        sums: float64 `[G]`; sum of each cluster's scores.
        squares: float64 `[G]`; sum of their squares.
        sizes: float64 `[G]`; number of scores of each, at least 1.
    """

    sums: Floats
    squares: Floats
    sizes: Floats

    @property
    def count(self) -> int:
        """Number of scores."""
        return int(self.sizes.sum())

    @property
    def mean(self) -> float:
        """Mean of all scores, each counting the same."""
        return float(self.sums.sum() / self.sizes.sum())

    @property
    def independent(self) -> bool:
        """Whether every cluster has one score."""
        return bool((self.sizes == 1).all())

    @property
    def variance(self) -> float:
        """Of the scores, divided by their number."""
        return max(0.0, float(self.squares.sum() / self.sizes.sum()) - self.mean**2)

    @property
    def variance_of_mean(self) -> float:
        """Cluster-robust variance of the mean; nan for a single cluster.

        The sandwich for a regression on a constant with the small-sample factor G / (G - 1), as statsmodels'
        `cov_type="cluster"` computes it (Miller 2024, section 2.2, without that factor).
        """
        clusters = len(self.sums)
        if clusters < 2:
            return float("nan")
        deviations = self.sums - self.sizes * self.mean
        return float((deviations**2).sum() / self.count**2 * clusters / (clusters - 1))

    @property
    def effective_count(self) -> float:
        """How many independent scores would tell as much: the number of scores over the design effect.

        At most the number of scores. Where all are equal, nothing tells how alike those of a cluster are: the
        number of clusters.
        """
        clusters = len(self.sums)
        if clusters < 2 or self.variance <= 0:
            return float(clusters)
        if self.variance_of_mean <= 0:
            return float(self.count)
        return float(np.clip(self.variance / self.variance_of_mean, 1, self.count))


def by_cluster(scores: Sequence[float], clusters: Sequence[Hashable]) -> Clusters:
    """Group scores.

    Args:
        scores: `[N]`.
        clusters: `[N]`; name of each score's cluster. Clusters keep the order in which they appear, so the
            same scores in the same order give the same resamples.
    """
    numbers: dict[Hashable, int] = {}
    place = np.array([numbers.setdefault(name, len(numbers)) for name in clusters], dtype=np.int64)
    values = np.asarray(scores, dtype=np.float64)
    if place.shape != values.shape:
        raise ValueError(f"{len(values)} scores in {len(place)} clusters: one name per score is needed")
    groups = len(numbers)
    return Clusters(
        np.bincount(place, values, groups).astype(np.float64),
        np.bincount(place, values**2, groups).astype(np.float64),
        np.bincount(place, minlength=groups).astype(np.float64),
    )
