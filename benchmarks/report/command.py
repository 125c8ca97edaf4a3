"""`deepeyes eval report RUN`: what an evaluation found, as JSON, as a page and as a table for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

from benchmarks.report.document import Report, report_of, to_json
from benchmarks.report.markdown import to_markdown
from benchmarks.report.page import to_page
from benchmarks.report.tables import main_table, published_table
from benchmarks.report.terminal import print_table
from benchmarks.run_folder import read_run

NAMES = ("report.json", "report.html", "report.md")
"""What is written into a run's folder."""


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Write RUN/report.json, RUN/report.html and RUN/report.md, and show the main table.

    Attributes:
        run: Folder of an evaluation, finished or not.
    """

    run: tyro.conf.Positional[Path]


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: Its arguments.

    Returns:
        0.

    Raises:
        DatasetError: The folder holds no evaluation.
    """
    options = tyro.cli(ReportOptions, args=list(argv), prog="deepeyes eval report")
    console = Console()
    _show(console, _written(options.run))
    console.print(*(str(options.run / name) for name in NAMES), sep="\n", soft_wrap=True)
    return 0


def write_report(run: Path) -> None:
    """Write the three files into a run's folder.

    Raises:
        DatasetError: The folder holds no evaluation.
    """
    _written(run)


def _written(run: Path) -> Report:
    report = report_of(read_run(run))
    for name, text in zip(NAMES, (to_json(report), to_page(report), to_markdown(report)), strict=True):
        # An answer may hold half a surrogate pair, which no file can.
        (run / name).write_text(text, encoding="utf-8", errors="replace")
    return report


def _show(console: Console, report: Report) -> None:
    print_table(console, main_table(report))
    for suite in report.suites:
        beside = published_table(suite, subsets=False)
        if beside.rows:
            print_table(console, beside)
    for caveat in report.caveats:
        console.print(f"! {caveat}", style="yellow", markup=False)
