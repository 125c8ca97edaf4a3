"""The report's plots, as SVG inside the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.report.document import ModeReport, SuiteReport
from benchmarks.result import MODES
from benchmarks.statistics.estimate import Estimate
from trainers.svg import inline_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = dict(zip(MODES, ("#1b6ca8", "#2a9d6f", "#c77d0a", "#777777"), strict=True))
"""Told apart by the common kinds of colour blindness, and by lightness."""

MOST_GROUPS = 24
"""Skills and categories in a plot; the table beside it has all of them."""


def suite_plot(suite: SuiteReport) -> str:
    """Accuracy by group and mode with intervals, and what the tools gained and cost."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    groups = _groups(suite)
    tall = 0.42 + 0.22 * len(groups) * max(1, len(suite.modes)) ** 0.5
    panels = 2 if suite.tools else 1
    # A salt, or identifiers inside the drawing would be drawn by chance.
    with rc_context({"svg.hashsalt": "deepeyes", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(5.2, tall + 1.0 + (1.1 if suite.tools else 0)), layout="constrained")
        ratios = [tall + 0.4, 1.1][:panels]
        axes = figure.subplots(panels, 1, squeeze=False, height_ratios=ratios)[:, 0]
        _accuracies(axes[0], suite.modes, groups)
        if suite.tools:
            _effects(axes[1], suite)
        return inline_svg(figure)


def _groups(suite: SuiteReport) -> list[str]:
    names = dict.fromkeys(
        name for mode in suite.modes for name in (*mode.accuracy.by_skill, *mode.accuracy.by_category)
    )
    return ["all", *names][:MOST_GROUPS]


def _accuracies(axes: Axes, modes: Sequence[ModeReport], groups: Sequence[str]) -> None:
    step = 0.7 / max(len(modes), 1)
    for number, mode in enumerate(modes):
        found: dict[str, Estimate] = {
            **mode.accuracy.by_category,
            **mode.accuracy.by_skill,
            "all": mode.accuracy.ours,
        }
        for place, group in enumerate(groups):
            one = found.get(group)
            if one is None or one.value is None:
                continue
            height = place + step * (number - (len(modes) - 1) / 2)
            label = f"tools {mode.mode}" if place == 0 else None
            axes.plot(
                [100 * one.low, 100 * one.high], [height, height], color=COLOURS[mode.mode], linewidth=2
            )
            axes.plot([100 * one.value], [height], "o", color=COLOURS[mode.mode], markersize=4, label=label)
    axes.set_yticks(range(len(groups)), groups, fontsize=8)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("accuracy, %, with 95 % interval", fontsize=8)
    axes.grid(axis="x", alpha=0.3)
    axes.tick_params(labelsize=8)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False)


def _effects(axes: Axes, suite: SuiteReport) -> None:
    for place, one in enumerate(suite.tools):
        share = 100 / (one.both_right + one.gain + one.harm + one.both_wrong)
        axes.barh(place, one.gain * share, color="#2a9d6f", label="gain" if place == 0 else None)
        axes.barh(place, -one.harm * share, color="#b5342c", label="harm" if place == 0 else None)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(suite.tools)), [f"tools {one.mode}" for one in suite.tools], fontsize=8)
    axes.set_ylim(len(suite.tools) - 0.5, -0.5)
    axes.set_xlabel("draws right only with (gain), only without (harm) tools, %", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
