"""The report as Markdown: the table for a paper, what must be said with it, and a suite's other tables."""

from __future__ import annotations

from benchmarks.report.document import Report
from benchmarks.report.tables import Table, behaviour_table, group_table, main_table, published_table


def to_markdown(report: Report) -> str:
    """The text."""
    parts = [f"# {_plain(report.policy)}", markdown_table(main_table(report))]
    if report.caveats:
        parts += ["**Before quoting:**", "\n".join(f"- {_plain(one)}" for one in report.caveats)]
    for suite in report.suites:
        title = _plain(str(suite.about.get("title", suite.name)))
        tables = (group_table(suite), behaviour_table(suite)) if suite.modes else ()
        for table in (*tables, published_table(suite, subsets=False)):
            if table.rows:
                parts += [f"## {title}: {table.title.lower()}", markdown_table(table)]
    return "\n\n".join(parts) + "\n"


def markdown_table(table: Table) -> str:
    """A table with its note."""
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    text = "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)
    return f"{text}\n\n{_plain(table.note)}" if table.note else text


def _plain(text: str) -> str:
    """Text that Markdown takes as it is: one line, and no mark-up."""
    single = " ".join(text.split())
    for mark in "\\|*_`<[":
        single = single.replace(mark, f"\\{mark}")
    return single
