"""What the policy did on its way to an answer, and what went wrong around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.protocol.presets import TOOLS
from benchmarks.report.draws import by_draw
from benchmarks.report.rate import Rate, rate
from benchmarks.result import Result
from benchmarks.statistics.average import Average, average
from benchmarks.statistics.estimate import Estimate, estimate
from deepeyes_env.outcome import Outcome

SEARCHES = ("search", "image_search")
"""Calls that can find nothing."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Draws of one suite in one mode. Means and rates are over those whose infrastructure held.

    A draw in several orders of its options counts once among `draws`, and in all else once for each order.

    Intervals are over clusters of items: what one item makes a policy do in one turn it does in the next.

    Attributes:
        draws: All draws.
        outcomes: How many ended how.
        infra_failed: Draws whose infrastructure failed; never scored.
        judge_failed: Draws whose judge gave no verdict; never scored.
        unscored: Draws without a verdict, for whatever reason.
        with_tool: Share that called a tool that there was.
        calls: Calls per draw by kind, of the tools that there were.
        refused_calls: Calls per draw to tools that were off.
        code_errors: Of all cells, those that ended in an error.
        placeholders: Of all cells, those that did nothing.
        search_misses: Of all searches, those that found nothing.
        truncated: Draws that hit a limit.
        turns: Per draw.
        prompt_tokens: Per draw.
        sampled_tokens: Per draw.
        images: Per draw.
        total_sampled_tokens: Of all draws together.
    """

    draws: int
    outcomes: dict[str, int]
    infra_failed: int
    judge_failed: int
    unscored: int
    with_tool: Estimate
    calls: dict[str, Average]
    refused_calls: Average
    code_errors: Rate
    placeholders: Rate
    search_misses: Rate
    truncated: Rate
    turns: Average
    prompt_tokens: Average
    sampled_tokens: Average
    images: Average
    total_sampled_tokens: int


def behaviour(results: Sequence[Result]) -> Behaviour:
    """What happened in draws of one suite in one mode."""
    held = [one for one in results if one.outcome != Outcome.INFRA_FAILED]
    kinds = sorted({kind for one in held for kind in _answered(one)})
    clusters = [one.cluster for one in held]

    def mean(count: Callable[[Result], int]) -> Average:
        return average([count(one) for one in held], clusters)

    def share(count: Callable[[Result], int], of: Callable[[Result], int]) -> Rate:
        return rate((count(one), of(one), one.cluster) for one in held if of(one))

    return Behaviour(
        draws=len(by_draw((one, None) for one in results)),
        outcomes=dict(sorted(Counter(one.outcome for one in results).items())),
        infra_failed=len(results) - len(held),
        judge_failed=sum(one.judge_failed for one in results),
        unscored=sum(one.correct is None for one in results),
        with_tool=estimate([float(sum(_answered(one).values()) > 0) for one in held], clusters),
        calls={kind: average([one.calls.get(kind, 0) for one in held], clusters) for kind in kinds},
        refused_calls=mean(lambda one: sum(one.calls.values()) - sum(_answered(one).values())),
        code_errors=share(lambda one: one.code_errors, _cells),
        placeholders=share(lambda one: one.placeholders, _cells),
        search_misses=share(lambda one: one.search_misses, _searches),
        truncated=share(lambda one: one.outcome == Outcome.TRUNCATED, lambda one: 1),
        turns=mean(lambda one: one.turns),
        prompt_tokens=mean(lambda one: one.prompt_tokens),
        sampled_tokens=mean(lambda one: one.sampled_tokens),
        images=mean(lambda one: one.images),
        total_sampled_tokens=sum(one.sampled_tokens for one in results),
    )


def _answered(one: Result) -> dict[str, int]:
    """Calls by kind, without those to tools that were off."""
    return {kind: count for kind, count in one.calls.items() if kind in TOOLS[one.mode]}


def _cells(one: Result) -> int:
    return _answered(one).get("code", 0)


def _searches(one: Result) -> int:
    return sum(_answered(one).get(kind, 0) for kind in SEARCHES)
