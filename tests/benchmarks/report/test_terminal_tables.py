"""Tables where they are read first: in a terminal, whose width nobody chose, or in a file."""

import io
from pathlib import Path

import pytest
from evaluations import card, policy_with
from rich.console import Console

from benchmarks.report.compare_page import compare_table
from benchmarks.report.comparison import compare_runs
from benchmarks.report.tables import Table
from benchmarks.report.terminal import print_table
from benchmarks.run_folder import Run


@pytest.mark.parametrize("width", [20, 80, 200])
def test_no_figure_is_cut_or_broken(width: int) -> None:
    first, second = (
        Run(Path("run"), card(), tuple(policy_with({"all": share, "off": 0.5}, 60, 3)), {})
        for share in (0.4, 0.9)
    )
    table = compare_table(*compare_runs(first, [second], "correct"))
    console = Console(file=io.StringIO(), width=width)
    print_table(console, table)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in shown
    assert [cell for row in (table.columns, *table.rows) for cell in row if cell not in shown] == []
    assert console.width == width


def test_prose_is_broken_between_words() -> None:
    prose = "20 items there; 30 here; " * 8
    console = Console(file=io.StringIO(), width=60)
    print_table(console, Table("", ("a", "differs"), (("1", prose.strip()),)))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 60
    assert " ".join(" ".join(lines).split()).count("20 items there; 30 here;") == 8
