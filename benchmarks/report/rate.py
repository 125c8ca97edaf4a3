"""Shares of calls. The calls of one item are alike, so an interval is over items, not over calls."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from benchmarks.statistics.estimate import estimate


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many.

    Attributes:
        count: How many.
        of: Of how many.
        value: Their ratio; None of none.
        low: Lower end of its 95 % interval (`benchmarks.statistics.estimate`).
        high: Upper end.
        clusters: Number of clusters of items that they come from.
    """

    count: int
    of: int
    value: float | None
    low: float
    high: float
    clusters: int

    def __str__(self) -> str:
        if self.value is None:
            return "–"
        interval = f"[{100 * self.low:.1f}, {100 * self.high:.1f}]"
        return f"{100 * self.value:.1f} {interval} % ({self.count}/{self.of})"


def rate(counted: Iterable[tuple[int, int, Hashable]]) -> Rate:
    """So many of so many.

    Args:
        counted: Of each draw: how many, of how many, and the cluster of its item.

    Raises:
        ValueError: There are more than there are.
    """
    counted = list(counted)
    if impossible := [f"{hits} of {of}" for hits, of, _ in counted if not 0 <= hits <= of]:
        raise ValueError(f"no share: {impossible[0]}")
    calls = [(call < hits, cluster) for hits, of, cluster in counted for call in range(of)]
    found = estimate([float(hit) for hit, _ in calls], [cluster for _, cluster in calls])
    return Rate(sum(hit for hit, _ in calls), found.n, found.value, found.low, found.high, found.clusters)
