"""The report's tables in a terminal."""

from __future__ import annotations

from rich import box
from rich import table as rich
from rich.text import Text

from benchmarks.report.tables import Table


def rich_table(table: Table) -> rich.Table:
    """A table for a console; what stands in brackets is text, not style."""
    shown = rich.Table(
        title=Text(table.title), caption=Text(table.note), box=box.SIMPLE_HEAD, caption_justify="left"
    )
    for column in table.columns:
        shown.add_column(Text(column))
    for row in table.rows:
        shown.add_row(*map(Text, row))
    return shown
