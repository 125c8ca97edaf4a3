"""What the policy did on its way to an answer, and what went wrong around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchmarks.report.rate import Rate, rate
from benchmarks.result import Result
from benchmarks.statistics.estimate import Estimate, estimate
from deepeyes_env.outcome import Outcome

SEARCHES = ("search", "image_search")
"""Calls that can find nothing."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Draws of one suite in one mode. Means and rates are over those whose infrastructure held.

    Attributes:
        draws: All draws.
        outcomes: How many ended how, over all draws.
        infra_failed: Draws whose infrastructure failed; never scored.
        judge_failed: Draws whose judge gave no verdict; never scored.
        unscored: Draws without a verdict, for whatever reason.
        with_tool: Share that called a tool.
        calls: Calls per draw by kind.
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
    calls: dict[str, float]
    code_errors: Rate
    placeholders: Rate
    search_misses: Rate
    truncated: Rate
    turns: float | None
    prompt_tokens: float | None
    sampled_tokens: float | None
    images: float | None
    total_sampled_tokens: int


def behaviour(results: Sequence[Result]) -> Behaviour:
    """What happened in draws of one suite in one mode."""
    held = [one for one in results if one.outcome != Outcome.INFRA_FAILED]
    calls: Counter[str] = Counter()
    for one in held:
        calls.update(dict(one.calls))
    searches = sum(calls[kind] for kind in SEARCHES)
    return Behaviour(
        draws=len(results),
        outcomes=dict(sorted(Counter(one.outcome for one in results).items())),
        infra_failed=len(results) - len(held),
        judge_failed=sum(one.judge_failed for one in results),
        unscored=sum(one.correct is None for one in results),
        with_tool=estimate(
            [float(sum(one.calls.values()) > 0) for one in held], [one.cluster for one in held]
        ),
        calls={kind: calls[kind] / len(held) for kind in sorted(calls)},
        code_errors=rate(sum(one.code_errors for one in held), calls["code"]),
        placeholders=rate(sum(one.placeholders for one in held), calls["code"]),
        search_misses=rate(sum(one.search_misses for one in held), searches),
        truncated=rate(sum(one.outcome == Outcome.TRUNCATED for one in held), len(held)),
        turns=_mean(one.turns for one in held),
        prompt_tokens=_mean(one.prompt_tokens for one in held),
        sampled_tokens=_mean(one.sampled_tokens for one in held),
        images=_mean(one.images for one in held),
        total_sampled_tokens=sum(one.sampled_tokens for one in results),
    )


def _mean(values: Iterable[int]) -> float | None:
    found = list(values)
    return fmean(found) if found else None
