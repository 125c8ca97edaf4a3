"""The sandbox beside an ipykernel, a process per cell and a bare fork: ratios, targets, figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.speed import cells
from benchmarks.speed.machine import own_directory, processors, read_options, this_machine, write_json
from benchmarks.speed.record import Row
from benchmarks.speed.run import INSTALL, LIVE, Run
from benchmarks.speed.tables import figures_table, targets_table
from benchmarks.speed.targets import Verdict, verdicts
from deepeyes_env.errors import require


@dataclass(frozen=True, slots=True)
class SandboxBenchOptions:
    """Measure the local sandbox beside its peers, which do the same work in the same run.

    Attributes:
        rounds: How often each contender has its turn at each kind of work.
        memory_sessions: Sessions of ours that are alive while their memory is measured.
        churn_sessions: Sessions of ours that are opened, used and closed while leaks are counted.
        cores: Processors to use; the targets per second are for 2.
        quick: One round and few sessions: shows that everything runs, not how fast it is.
        output: Also write everything as JSON to this file.
    """

    rounds: int = 10
    memory_sessions: int = 100
    churn_sessions: int = 1_000
    cores: int = 2
    quick: bool = False
    output: Path | None = None

    def __post_init__(self) -> None:
        for name in ("rounds", "memory_sessions", "cores"):
            require(getattr(self, name) > 0, name, getattr(self, name), "at least 1")


@dataclass(frozen=True, slots=True)
class SandboxBench:
    """What a run measured.

    Attributes:
        targets: Ratios and guides.
        figures: Everything, by measure and contender.
        left_behind: What a churn of sessions left, by kind; None when psutil is not installed.
        machine: Where it ran.
    """

    targets: list[Verdict]
    figures: list[Row]
    left_behind: dict[str, int] | None
    machine: dict[str, Any]


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.
    """
    options = read_options(SandboxBenchOptions, argv, "deepeyes bench sandbox")
    bench = measure(options, Console(stderr=True))
    if options.output is not None:
        write_json(options.output, options, bench)
    console = Console()
    console.print(targets_table(bench.targets))
    console.print(figures_table(bench.figures))
    console.print("left behind by churned sessions:", bench.left_behind or INSTALL, highlight=False)
    console.print("machine:", bench.machine, highlight=False)


def measure(options: SandboxBenchOptions, console: Console) -> SandboxBench:
    """Take all samples, which lasts some minutes.

    Args:
        options: See there.
        console: Shows what is going on.
    """
    machine = this_machine()
    with processors(options.cores) as threads, own_directory() as directory:
        picture = directory / "photograph.jpg"
        cells.write_photograph(picture)
        with Run(1 if options.quick else options.rounds, threads, picture, console) as run:
            run.starts()
            run.cell_round_trips()
            run.pictures()
            run.episodes()
            run.throughput()
            run.memory(LIVE if options.quick else options.memory_sessions)
            left_behind = run.churn(2 * LIVE if options.quick else options.churn_sessions)
    machine["load_after"] = os.getloadavg()[0]
    return SandboxBench(verdicts(run.record, left_behind), run.record.rows(), left_behind, machine)
