"""The benchmark's tables: targets first, then the figures."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from benchmarks.speed.record import Row
from benchmarks.speed.targets import Verdict

_MET = {True: "[green]met[/]", False: "[red]not met[/]", None: "[yellow]no peer[/]"}


def targets_table(verdicts: Iterable[Verdict]) -> Table:
    """Ratios and guides, each with its target."""
    table = Table("target", "this run", "wanted", "", box=box.SIMPLE, title="targets")
    for verdict in verdicts:
        sign = "≥" if verdict.at_least else "≤"
        value = "-"
        if verdict.value is not None:
            value = f"{shown_figure(verdict.value)}{_range(verdict)} {verdict.unit}"
        table.add_row(verdict.name, value, f"{sign} {verdict.bound:g}", _MET[verdict.met])
    return table


def figures_table(rows: Iterable[Row]) -> Table:
    """Medians and 99th percentiles of everything."""
    table = Table("measure", "contender", "p50", "p99", "unit", "n", box=box.SIMPLE, title="figures")
    shown = ""
    for row in rows:
        if row.measure != shown:
            table.add_section()
        name = row.measure if row.measure != shown else ""
        shown = row.measure
        if row.p50 is None or row.p99 is None:
            table.add_row(name, row.contender, Text(row.note), "", "", "")  # `[ray]` is no markup
        else:
            figures = shown_figure(row.p50), shown_figure(row.p99)
            table.add_row(name, row.contender, *figures, row.unit, str(row.n))
    return table


def _range(verdict: Verdict) -> str:
    if verdict.low is None or verdict.high is None:
        return ""
    return f" [{shown_figure(verdict.low)}, {shown_figure(verdict.high)}]"


def shown_figure(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
