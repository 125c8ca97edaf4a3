"""Tool gain and harm: the same items with the tools and without.

A mean hides it: as many items may be lost through tools as won (MED, arXiv 2602.01334), and of what is solved
with tools most may be solved without (93.2 % for DeepEyesV2, arXiv 2606.02357).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.report.draws import compare_draws, paired_draws
from benchmarks.report.rate import Rate, rate
from benchmarks.result import MODES, Mode, Result
from benchmarks.statistics.holm import holm
from benchmarks.statistics.paired import Comparison


@dataclass(frozen=True, slots=True)
class ToolEffect:
    """A mode with tools against none, over draws that have a verdict in both.

    Of a draw in several orders of its options, gain and harm say in which mode it is right more often, and it
    is right where it is in more than half of them.

    Attributes:
        mode: Which tools.
        both_right: Right with and without.
        gain: Right only with tools.
        harm: Right only without.
        both_wrong: Wrong with and without.
        net: With tools less without: difference, interval and test.
        p_holm: Its p-value after Holm's correction over all suites and modes of the run.
        solved_without: Of what is right with tools, what is right without them too.
    """

    mode: Mode
    both_right: int
    gain: int
    harm: int
    both_wrong: int
    net: Comparison
    p_holm: float
    solved_without: Rate


def tool_effects(results: Sequence[Result]) -> dict[str, tuple[ToolEffect, ...]]:
    """The effects of each mode with tools, by suite; none where `off` was not asked.

    Args:
        results: All of a run: p-values are corrected over all that are reported.
    """
    verdicts: defaultdict[tuple[str, Mode], dict[tuple[str, int, int], Result]] = defaultdict(dict)
    for one in results:
        if one.correct is not None:
            verdicts[one.suite, one.mode][one.item, one.seed, one.sample] = one
    pairs: dict[tuple[str, Mode], list[tuple[Result, Result]]] = {}
    for suite in dict.fromkeys(one.suite for one in results):
        without = verdicts[suite, "off"]
        for mode in MODES:
            shared = sorted(verdicts[suite, mode].keys() & without.keys())
            if mode != "off" and shared:
                pairs[suite, mode] = [(without[draw], verdicts[suite, mode][draw]) for draw in shared]
    nets = {key: compare_draws(_scores(some)) for key, some in pairs.items()}
    corrected = holm({"/".join(key): net.p_value for key, net in nets.items()})
    effects: defaultdict[str, list[ToolEffect]] = defaultdict(list)
    for (suite, mode), net in nets.items():
        effects[suite].append(_effect(mode, pairs[suite, mode], net, corrected[f"{suite}/{mode}"]))
    return {suite: tuple(some) for suite, some in effects.items()}


def _scores(pairs: Sequence[tuple[Result, Result]]) -> list[tuple[Result, float, float]]:
    return [(tooled, bool(without.correct), bool(tooled.correct)) for without, tooled in pairs]


def _effect(mode: Mode, pairs: Sequence[tuple[Result, Result]], net: Comparison, p_holm: float) -> ToolEffect:
    draws = paired_draws(_scores(pairs))
    both = sum(without == tooled > 0.5 for without, tooled, _ in draws)
    solved = [(int(without > 0.5), 1, cluster) for without, tooled, cluster in draws if tooled > 0.5]
    return ToolEffect(
        mode,
        both_right=both,
        gain=net.gained,
        harm=net.lost,
        both_wrong=net.pairs - both - net.gained - net.lost,
        net=net,
        p_holm=p_holm,
        solved_without=rate(solved),
    )
