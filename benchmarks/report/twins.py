"""Counterfactual twins: the same question about a changed fact. Does the answer change with it?

A policy that remembers instead of looking answers both alike (a recoloured picture of V* was still "red":
DeepEyes, issue 80).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.result import Result
from benchmarks.statistics.estimate import Estimate, estimate
from deepeyes_env.rewards.normalise import normalise


@dataclass(frozen=True, slots=True)
class Twins:
    """Pairs of an item and its twin, drawn with the same seed and sample.

    Attributes:
        pairs: Pairs with a verdict on both.
        both_right: Share right on both.
        one_right: Share right on one of them.
        neither_right: Share right on none.
        unchanged: Of the pairs with two answers, those whose answer stayed the same though the fact did not.
    """

    pairs: int
    both_right: Estimate
    one_right: Estimate
    neither_right: Estimate
    unchanged: Estimate


def twins(results: Sequence[Result]) -> Twins | None:
    """Of the draws of one suite in one mode; None where there is no pair."""
    by_draw = {(one.item, one.seed, one.sample): one for one in results}
    pairs = [
        (by_draw[one.twin, one.seed, one.sample], one)
        for one in results
        if one.twin is not None and (one.twin, one.seed, one.sample) in by_draw
    ]
    marked = [
        (item.cluster, int(item.correct) + int(twin.correct))
        for item, twin in pairs
        if item.correct is not None and twin.correct is not None
    ]
    answers = [
        (item.cluster, normalise(item.answer) == normalise(twin.answer))
        for item, twin in pairs
        if item.answer is not None and twin.answer is not None
    ]
    if not pairs:
        return None

    def share(right: int) -> Estimate:
        return estimate([float(count == right) for _, count in marked], [cluster for cluster, _ in marked])

    unchanged = estimate([float(same) for _, same in answers], [cluster for cluster, _ in answers])
    return Twins(len(marked), share(2), share(1), share(0), unchanged)
