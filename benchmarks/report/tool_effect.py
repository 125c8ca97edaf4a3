"""Tool gain and harm: the same items with the tools and without.

A mean hides it: as many items may be lost through tools as won (MED, arXiv 2602.01334), and of what is solved
with tools most may be solved without (93.2 % for DeepEyesV2, arXiv 2606.02357).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.report.draws import compare_draws
from benchmarks.report.rate import Rate, rate
from benchmarks.result import MODES, Mode, Result
from benchmarks.statistics.paired import Comparison


@dataclass(frozen=True, slots=True)
class ToolEffect:
    """A mode with tools against none, over draws that have a verdict in both.

    Attributes:
        mode: Which tools.
        both_right: Right with and without.
        gain: Right only with tools.
        harm: Right only without.
        both_wrong: Wrong with and without.
        net: With tools less without: difference, interval and test.
        solved_without: Of what is right with tools, what is right without them too.
    """

    mode: Mode
    both_right: int
    gain: int
    harm: int
    both_wrong: int
    net: Comparison
    solved_without: Rate


def tool_effects(results: Sequence[Result]) -> tuple[ToolEffect, ...]:
    """The effect of each mode with tools on the draws of one suite; none where `off` was not asked."""
    verdicts: defaultdict[str, dict[tuple[str, int, int], Result]] = defaultdict(dict)
    for one in results:
        if one.correct is not None:
            verdicts[one.mode][one.item, one.seed, one.sample] = one
    without = verdicts["off"]
    found = []
    for mode in MODES:
        shared = sorted(verdicts[mode].keys() & without.keys())
        if mode != "off" and shared:
            pairs = [(without[draw], verdicts[mode][draw]) for draw in shared]
            found.append(_effect(mode, pairs))
    return tuple(found)


def _effect(mode: Mode, pairs: Sequence[tuple[Result, Result]]) -> ToolEffect:
    net = compare_draws([(tooled, bool(without.correct), bool(tooled.correct)) for without, tooled in pairs])
    gain = sum(bool(tooled.correct and not without.correct) for without, tooled in pairs)
    harm = sum(bool(without.correct and not tooled.correct) for without, tooled in pairs)
    both = sum(bool(without.correct and tooled.correct) for without, tooled in pairs)
    solved = [(int(bool(without.correct)), 1, tooled.cluster) for without, tooled in pairs if tooled.correct]
    return ToolEffect(
        mode,
        both_right=both,
        gain=gain,
        harm=harm,
        both_wrong=len(pairs) - both - gain - harm,
        net=net,
        solved_without=rate(solved),
    )
