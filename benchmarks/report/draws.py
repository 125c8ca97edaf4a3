"""What counts as one draw: an item's orders of options together are one, of their mean score.

An item with four options is asked in four orders and one without options once (`--option-order averaged`);
each counts the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

from benchmarks.result import Result
from benchmarks.statistics.paired import Comparison, compare

Scored = tuple[Result, float | None]
"""A result with its score, None without a verdict."""


def by_draw(scored: Iterable[Scored]) -> list[tuple[float | None, str]]:
    """Score and cluster of every draw."""
    return [
        (fmean(there) if (there := [score for _, score in some if score is not None]) else None, one.cluster)
        for one, some in ((some[0][0], some) for some in _groups(scored))
    ]


def compare_draws(pairs: Sequence[tuple[Result, float, float]]) -> Comparison:
    """Compare two sides of the same draws.

    Args:
        pairs: A result of either side with both sides' scores, at least one.
    """
    first, second, clusters = zip(*paired_draws(pairs), strict=True)
    return compare(first, second, clusters)


def paired_draws(pairs: Iterable[tuple[Result, float, float]]) -> list[tuple[float, float, str]]:
    """Both sides' scores of every draw, and its cluster.

    Args:
        pairs: A result of either side with both sides' scores.
    """
    pairs = list(pairs)
    first, second = (by_draw((one, scores[side]) for one, *scores in pairs) for side in (0, 1))
    return [
        (float(one or 0.0), float(other or 0.0), cluster)
        for (one, cluster), (other, _) in zip(first, second, strict=True)
    ]


def _groups(scored: Iterable[Scored]) -> list[list[Scored]]:
    groups: defaultdict[tuple[object, ...], list[Scored]] = defaultdict(list)
    for one, score in scored:
        groups[one.suite, one.item, one.mode, one.seed, one.draw].append((one, score))
    return list(groups.values())
