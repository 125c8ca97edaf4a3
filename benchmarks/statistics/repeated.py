"""Several draws of one item: how often is one right, at least one of k, all of k, and do they agree?"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import comb

from benchmarks.statistics.estimate import Estimate, estimate


@dataclass(frozen=True, slots=True)
class Repeats:
    """Figures of items that were drawn several times; means over items, with intervals over their clusters.

    Attributes:
        draws: Fewest scored draws of an item that has all of its draws' worth, the k of the others.
        items: Items with at least so many scored draws.
        pass_1: Mean over items of the share of right draws.
        pass_at_k: Probability that at least one of k draws is right.
        pass_all_k: Probability that all of k draws are right (pass^k).
        consistency: Probability that two draws of one item have the same verdict.
        by_seed: Seed -> accuracy of its draws alone.
    """

    draws: int
    items: int
    pass_1: Estimate
    pass_at_k: Estimate
    pass_all_k: Estimate
    consistency: Estimate
    by_seed: dict[str, Estimate]


def pass_at_k(draws: int, right: int, k: int) -> float:
    """Unbiased estimate of the probability that at least one of k draws is right.

    Chen et al. 2021 (arXiv 2107.03374), equation 1.

    Raises:
        ValueError: Fewer than k draws were made.
    """
    _check(draws, right, k)
    return 1 - comb(draws - right, k) / comb(draws, k)


def pass_all_k(draws: int, right: int, k: int) -> float:
    """Unbiased estimate of the probability that all of k draws are right.

    pass^k of tau-bench (Yao et al. 2024, arXiv 2406.12045).

    Raises:
        ValueError: Fewer than k draws were made.
    """
    _check(draws, right, k)
    return comb(right, k) / comb(draws, k)


def consistency(draws: int, right: int) -> float:
    """Unbiased estimate of the probability that two draws have the same verdict.

    Unlike the share of the commonest verdict it does not depend on the number of draws.

    Raises:
        ValueError: Fewer than two draws were made.
    """
    _check(draws, right, 2)
    return (comb(right, 2) + comb(draws - right, 2)) / comb(draws, 2)


def repeats(
    verdicts: Sequence[tuple[Hashable, Sequence[bool]]], k: int, by_seed: dict[str, Estimate]
) -> Repeats | None:
    """The figures of all items with at least k verdicts.

    Args:
        verdicts: By item: its cluster, and of every scored draw whether it was right.
        k: At least 2.
        by_seed: Taken over as it is.

    Returns:
        None where no item has so many.
    """
    counted = [(len(one), sum(one)) for _, one in verdicts if len(one) >= k]
    clusters = [cluster for cluster, one in verdicts if len(one) >= k]
    if not counted:
        return None

    def mean(figure: Callable[[int, int], float]) -> Estimate:
        return estimate([figure(draws, right) for draws, right in counted], clusters)

    return Repeats(
        k,
        len(counted),
        mean(lambda draws, right: right / draws),
        mean(lambda draws, right: pass_at_k(draws, right, k)),
        mean(lambda draws, right: pass_all_k(draws, right, k)),
        mean(consistency),
        by_seed,
    )


def _check(draws: int, right: int, k: int) -> None:
    if not 0 <= right <= draws or not 1 <= k <= draws:
        raise ValueError(f"{right} right of {draws} draws say nothing of {k}")
