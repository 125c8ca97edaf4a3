"""The report's tables in a terminal."""

from __future__ import annotations

from rich import box
from rich import table as rich
from rich.console import Console
from rich.measure import Measurement
from rich.text import Text

from benchmarks.report.tables import Table

LONGEST_LINE = 40
"""Characters of a cell that is never broken: all figures with their intervals; prose is longer."""

WIDEST = 10_000
"""Columns of a terminal in which every table has room."""


def print_table(console: Console, table: Table) -> None:
    """Print a table whole: in a terminal that is too narrow for its figures the lines run on."""
    shown = rich_table(table)
    narrow = console.width
    needed = Measurement.get(console, console.options.update(max_width=WIDEST), shown).minimum
    console.width = max(narrow, needed)
    console.print(shown)
    console.width = narrow


def rich_table(table: Table) -> rich.Table:
    """A table for a console; what stands in brackets is text, not style."""
    shown = rich.Table(
        title=Text(table.title), caption=Text(table.note), box=box.SIMPLE_HEAD, caption_justify="left"
    )
    for number, column in enumerate(table.columns):
        longest = max(map(len, (column, *(row[number] for row in table.rows))))
        shown.add_column(Text(column), min_width=min(longest, LONGEST_LINE))
    for row in table.rows:
        shown.add_row(*map(Text, row))
    return shown
