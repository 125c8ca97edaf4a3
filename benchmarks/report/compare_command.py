"""`deepeyes eval compare A B`: is B better than A on the same draws, and on which?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro
from rich.console import Console

from agents.store import StoreError
from benchmarks.report.compare_page import compare_page, compare_table
from benchmarks.report.comparison import RunComparison, compare_runs
from benchmarks.report.document import rounded
from benchmarks.report.pairing import Metric
from benchmarks.report.terminal import print_table
from benchmarks.run_folder import read_run
from deepeyes_env.errors import make_folder, require

NAMES = ("compare.json", "compare.html")
"""What is written into `--out`."""

FORMAT = 1
"""Version of the JSON."""


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """Compare evaluations on the draws that they have in common.

    Attributes:
        runs: Folders of evaluations: the first, then those that are compared with it.
        out: Folder for compare.json, with all flipped draws, and compare.html, with what happened in them.
        metric: Our verdict (`correct`), or the suite's own metric (`official`).
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    out: Path | None = None
    metric: Metric = "correct"


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: Its arguments.

    Returns:
        0.

    Raises:
        ConfigError: There is one run only, two have nothing in common, or `out` cannot be a folder.
        DatasetError: A folder holds no evaluation.
        SystemExit: Trajectories are damaged; the message says which.
    """
    options = tyro.cli(CompareOptions, args=list(argv), prog="deepeyes eval compare")
    require(len(options.runs) > 1, "runs", [str(run) for run in options.runs], "two folders or more")
    if options.out is not None:
        make_folder("out", options.out)
    first, *others = [read_run(run) for run in options.runs]
    compared = compare_runs(first, others, options.metric)
    console = Console()
    for one in compared:
        print_table(console, compare_table(one))
        for warning in one.warnings:
            console.print(f"! {warning}", style="yellow", markup=False)
    if options.out is not None:
        try:
            _write(options.out, compared, options.runs)
        except StoreError as error:
            raise SystemExit(f"deepeyes eval compare: {error}") from error
        console.print(*(str(options.out / name) for name in NAMES), sep="\n", soft_wrap=True)
    return 0


def to_json(compared: Sequence[RunComparison]) -> str:
    """Comparisons as text: `RunComparison` field by field, numbers to six decimals, sorted keys."""
    document = {"format": FORMAT, "comparisons": [asdict(one) for one in compared]}
    return json.dumps(rounded(document), indent=2, sort_keys=True, allow_nan=False) + "\n"


def _write(out: Path, compared: Sequence[RunComparison], runs: Sequence[Path]) -> None:
    sides = [(one, runs[0], run) for one, run in zip(compared, runs[1:], strict=True)]
    for name, text in zip(NAMES, (to_json(compared), compare_page(sides, out)), strict=True):
        (out / name).write_text(text, encoding="utf-8", errors="replace")
