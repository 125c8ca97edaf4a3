"""One figure per claim, the paper's numbers beside those of the microcosm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from trainers.reproduction import paper
from trainers.reproduction.figures import Results, by_seed, called, gain_and_harm, over_seeds
from trainers.reproduction.tasks import CARD_SUM, FAMILIES, STONE_DIGIT
from trainers.svg import inline_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SKILLS = {"perception": FAMILIES["perception"], "reasoning": (CARD_SUM,), "search": (STONE_DIGIT,)}


def drawn(claim: int, results: Results) -> str:
    """The figure of a claim as SVG."""
    from matplotlib.figure import Figure

    panels = PANELS[claim]
    figure = Figure(figsize=(4.2 * len(panels), 3.4), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels, strict=True):
        panel(axes, results)
        axes.tick_params(labelsize=7)
    return inline_svg(figure)


def _curves(
    metric: str, title: str, arms: Sequence[str], curve: paper.Curve | None = None
) -> Callable[[Axes, Results], None]:
    """A metric over training steps, a line per seed; the paper's dotted."""

    def draw(axes: Axes, results: Results) -> None:
        for number, arm in enumerate(arms):
            for place, record in enumerate(results.get(arm, {}).values()):
                values = [step.get(metric, 0.0) for step in record.curve]
                label = arm if place == 0 else None
                axes.plot(range(1, len(values) + 1), values, color=f"C{number}", linewidth=1, label=label)
        if curve is not None:
            axes.plot(curve.steps, curve.values, "k:", linewidth=1.5, label="paper, read off")
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("training step", fontsize=7)
        _legend(axes)

    return draw


def _bars(
    title: str, arms: Sequence[str], value: Callable[[Results, str, str], list[float]], groups: Sequence[str]
) -> Callable[[Axes, Results], None]:
    """A bar per arm and group: the mean share over seeds, with its interval, which may leave the axis."""

    def draw(axes: Axes, results: Results) -> None:
        width = 0.8 / max(len(arms), 1)
        for number, arm in enumerate(each for each in arms if results.get(each)):
            for place, group in enumerate(groups):
                found = over_seeds(value(results, arm, group))
                axes.bar(
                    place + number * width,
                    found.mean,
                    width,
                    yerr=found.margin,
                    color=f"C{number}",
                    error_kw={"linewidth": 0.8},
                    label=arm if place == 0 else None,
                )
        axes.set_xticks([place + 0.4 - width / 2 for place in range(len(groups))], groups)
        axes.set_ylim(0, 1)
        axes.set_title(title, fontsize=9)
        _legend(axes)

    return draw


def _paper_table(title: str, table: dict[str, dict[str, float]]) -> Callable[[Axes, Results], None]:
    """Accuracies of the paper, a bar per row."""

    def draw(axes: Axes, results: Results) -> None:
        columns = list(next(iter(table.values())))
        width = 0.8 / len(table)
        for number, (name, row) in enumerate(table.items()):
            places = [place + number * width for place in range(len(columns))]
            heights = [row[column] / 100 for column in columns]
            axes.bar(places, heights, width, color=f"C{number}", label=name)
        axes.set_xticks([place + 0.4 - width / 2 for place in range(len(columns))], columns)
        axes.set_title(title, fontsize=9)
        _legend(axes)

    return draw


def _paper_tool_use(axes: Axes, results: Results) -> None:
    names = list(paper.TOOL_USE)
    for number, label in enumerate(("SFT", "RL")):
        places = [place + 0.4 * number for place in range(len(names))]
        heights = [paper.TOOL_USE[name][number] / 100 for name in names]
        axes.bar(places, heights, 0.4, color=f"C{number}", label=label)
    axes.set_xticks([place + 0.2 for place in range(len(names))], names, rotation=40, ha="right")
    axes.set_title("paper, figure 7: questions with a call", fontsize=9)
    _legend(axes)


def _accuracy(results: Results, arm: str, skill: str) -> list[float]:
    return list(by_seed(results, arm, SKILLS[skill]).values())


def _tool_use(results: Results, arm: str, family: str) -> list[float]:
    return list(by_seed(results, arm, (family,), called).values())


def _gain_harm(results: Results, arm: str, which: str) -> list[float]:
    place = ("gain", "harm").index(which)
    return [gain_and_harm(record)[place] for record in results[arm].values()]


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=6)


_DIRECT = ("direct", "direct-clumsy", "direct-able")
_BONUS = ("bonus-clumsy", "bonus-v1-clumsy", "direct-clumsy")
_COLD = ("base", "sft-perception", "sft-reasoning", "sft")
_MIXES = ("sft", "rl-perception", "rl-reasoning", "rl-perception-reasoning", "rl")
_ADDITIONS = ("sft", "rl", "rl-shaped-filter", "rl-symmetric", "rl-masked", "rl-blamed")
_NEED = ("closer-look", CARD_SUM, STONE_DIGIT, "at-a-glance")

PANELS: dict[int, tuple[Callable[[Axes, Results], None], ...]] = {
    1: (
        _curves("calls", "calls per episode", _DIRECT, paper.CALLS_WITHOUT_BONUS),
        _curves("response_tokens", "sampled tokens per episode", _DIRECT),
        _curves("accuracy", "accuracy in training", _DIRECT),
    ),
    2: (
        _curves("calls", "calls per episode", _BONUS, paper.CALLS_WITH_BONUS),
        _curves("placeholders", "placeholders per call", _BONUS),
        _curves("accuracy", "accuracy in training", _BONUS),
    ),
    3: (
        _bars("cold start: sampled accuracy", _COLD, _accuracy, tuple(SKILLS)),
        _paper_table("paper, table 5", paper.SFT_BY_DATA),
        _bars("RL: sampled accuracy", _MIXES, _accuracy, tuple(SKILLS)),
        _paper_table("paper, table 6", paper.RL_BY_DATA),
    ),
    4: (_bars("episodes with a call (sampled)", ("sft", "rl"), _tool_use, _NEED), _paper_tool_use),
    5: (
        _bars("sampled accuracy", _ADDITIONS, _accuracy, tuple(SKILLS)),
        _bars("tools-off control (greedy)", ("sft", "rl"), _gain_harm, ("gain", "harm")),
        _curves("entropy", "entropy per token, nats", ("rl", "rl-symmetric")),
    ),
}
"""The panels of every claim's figure."""
