"""The quickstart's report: one table, the paired tests, and a page with curves and episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from rich import box
from rich.table import Table

from agents.metrics import summarise, tools_used
from agents.trajectory import Trajectory
from agents.viewer import render_page
from agents.viewer.tokens import Decoder
from trainers.evaluation import accuracy, by_family, paired_test
from trainers.proportion import proportion
from trainers.runs.metrics import Metrics
from trainers.svg import inline_svg

NOTE = (
    "base: no pretrained model, but one built from scratch and given eyes by a short visual pre-training, "
    "whose kind of lessons SFT sees again among its demonstrations. "
    "looked: share of episodes that used the tool, on closer-look / at-a-glance. tools off: greedy accuracy "
    "on closer-look when every call is refused; chance is 10 %. Intervals: Wilson, 95 %."
)
"""What the table's columns mean."""
EXAMPLES = 6
"""Episodes shown on the page per stage and family."""

SIGNIFICANT = 0.01
"""Level of the paired tests."""

COLUMNS = (
    "stage",
    "answers",
    "accuracy",
    "closer-look",
    "at-a-glance",
    "looked",
    "format",
    "tools off",
)
"""`looked`: share of episodes that used the tool, on closer-look / on at-a-glance. `tools off`: accuracy on
closer-look when every call is refused."""

CURVES = {
    "visual pre-training": ("loss",),
    "SFT": ("loss",),
    "DAPO": ("reward", "accuracy", "format", "tool_use", "entropy", "response_tokens"),
}
"""Metrics drawn per stage."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage's answers to the held-out tasks, each in order of the tasks.

    Attributes:
        name: Name of the stage.
        greedy: At temperature 0.
        sampled: At temperature 1.
        tools_off: At temperature 0, every tool call refused.
    """

    name: str
    greedy: tuple[Trajectory, ...]
    sampled: tuple[Trajectory, ...]
    tools_off: tuple[Trajectory, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a quickstart run achieved.

    Attributes:
        seed: The run's seed.
        stages: In order of training.
        curves: Metrics per step, by stage.
        seconds: Wall time of everything.
    """

    seed: int
    stages: tuple[Stage, ...]
    curves: Mapping[str, Sequence[Metrics]]
    seconds: float


def rows(report: Report) -> list[tuple[str, ...]]:
    """The table's cells, one row per stage and way of answering, in the order of `COLUMNS`."""
    return [
        _row(stage, kind, answers)
        for stage in report.stages
        for kind, answers in (("greedy", stage.greedy), ("sampled", stage.sampled))
    ]


def table(report: Report) -> Table:
    """The table for the console."""
    title = f"{len(report.stages[0].greedy)} held-out tasks, seed {report.seed}"
    shown = Table(title=title, caption=NOTE, box=box.SIMPLE_HEAD, caption_justify="left")
    for name in COLUMNS:
        shown.add_column(name)
    for row in rows(report):
        shown.add_row(*row)
    return shown


def tests(report: Report) -> str:
    """Exact McNemar tests of every stage against the one before, on the same tasks."""
    lines = []
    for before, after in pairwise(report.stages):
        for kind, a, b in (
            ("greedy", before.greedy, after.greedy),
            ("sampled", before.sampled, after.sampled),
        ):
            test = paired_test(a, b)
            verdict = "significant" if test.p_value < SIGNIFICANT else "not significant"
            lines.append(
                f"{after.name} against {before.name}, {kind}: {test.gained} tasks gained, {test.lost} lost, "
                f"p = {test.p_value:.2g} ({verdict} at {SIGNIFICANT})"
            )
    return "\n".join(lines)


def write_page(report: Report, path: Path, decoder: Decoder) -> None:
    """Write the self-contained report page.

    Args:
        report: What to show.
        path: The HTML file.
        decoder: Decodes tokens for the token strips.
    """
    chosen = [
        one
        for stage in reversed(report.stages)
        for answers in by_family(stage.sampled).values()
        for one in answers[:EXAMPLES]
    ]
    page = render_page(chosen, decoder, title="DeepEyes quickstart", extra_html=_summary(report))
    path.write_text(page, encoding="utf-8")


def _row(stage: Stage, kind: str, answers: Sequence[Trajectory]) -> tuple[str, ...]:
    families = by_family(answers)
    close, glance = families.get("closer-look", []), families.get("at-a-glance", [])
    blind = by_family(stage.tools_off).get("closer-look", [])
    return (
        stage.name,
        kind,
        str(accuracy(answers)),
        str(accuracy(close)),
        str(accuracy(glance)),
        f"{_looked(close):.0%} / {_looked(glance):.0%}",
        f"{summarise(answers).format:.0%}",
        str(accuracy(blind)) if kind == "greedy" else "",
    )


def _looked(answers: Sequence[Trajectory]) -> float:
    return proportion(bool(tools_used(one)) for one in answers).value


def _summary(report: Report) -> str:
    environment = Environment(
        loader=PackageLoader("trainers.quickstart", "."), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("report.html.jinja").render(
        report=report,
        tasks=len(report.stages[0].greedy),
        note=NOTE,
        columns=COLUMNS,
        rows=rows(report),
        tests=tests(report).splitlines(),
        curves=Markup(_curves(report)),
    )


def _curves(report: Report) -> str:
    """All curves as one inline SVG."""
    from matplotlib.figure import Figure

    panels = [(stage, name) for stage, names in CURVES.items() for name in names]
    figure = Figure(figsize=(12, 5), layout="constrained")
    for axes, (stage, name) in zip(figure.subplots(2, 4).flat, panels, strict=True):
        values = [step[name] for step in report.curves[stage] if name in step]
        axes.plot(range(1, len(values) + 1), values, linewidth=1.2)
        axes.set_title(f"{stage}: {name.replace('_', ' ')}", fontsize=9)
        axes.tick_params(labelsize=7)
    return inline_svg(figure)
