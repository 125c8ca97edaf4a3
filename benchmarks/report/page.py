"""The report as one page: it loads nothing, and opens from a disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchmarks.report.document import Report, SuiteReport
from benchmarks.report.plots import suite_plot
from benchmarks.report.tables import (
    Table,
    behaviour_table,
    effect_table,
    group_table,
    main_table,
    published_table,
)


def to_page(report: Report) -> str:
    """The page."""
    return render(
        "page.html.jinja",
        report=report,
        main=main_table(report),
        suites=[(suite, _drawn(suite), _tables(suite), published_table(suite)) for suite in report.suites],
        settings=json.dumps(report.settings, indent=2, sort_keys=True, ensure_ascii=False),
    )


def render(name: str, **values: Any) -> str:
    """A template of this folder, filled in; every value is escaped."""
    environment = Environment(
        loader=PackageLoader("benchmarks.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render(**values)


def described(about: Mapping[str, Any]) -> str:
    """A suite's card in a line."""
    names = ("items", "asked", "size", "revision", "licence", "metric")
    return " · ".join(f"{name}: {about[name]}" for name in names if about.get(name) is not None)


def _tables(suite: SuiteReport) -> list[Table]:
    tables = [group_table(suite), effect_table(suite), behaviour_table(suite)]
    return [table for table in tables if table.rows]


def _drawn(suite: SuiteReport) -> tuple[str, Markup]:
    return described(suite.about), Markup(suite_plot(suite)) if suite.modes else Markup("")
