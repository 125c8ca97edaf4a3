"""Generated tasks a second on one core, beside the bare JPEG encoding of the same pictures."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmarks.speed.machine import read_options, write_json
from benchmarks.speed.measured import Measured
from benchmarks.speed.record import Measure, Record, Sample, interleave
from benchmarks.speed.tables import figures_table, targets_table
from benchmarks.speed.targets import Verdict
from deepeyes_env.errors import require
from deepeyes_env.tasks.worlds.source import GeneratedSource
from deepeyes_env.tasks_command.choice import WorldArgs

ORDINARY_PIXELS = 2_000_000
"""Area of a task's pictures above which it is no ordinary scene: canvases of 2,000 pixels a side and more."""

WANTED = 100
"""Ordinary tasks a second per core (issue 4)."""

WARM_UP, IN_A_ROW = 40, 5
"""Tasks of a family drawn before the first that counts (outlines of letters and small pictures are kept), and
tasks in a row before it is the encoder's turn."""

TASK, ENCODING = "task", "JPEG alone"


@dataclass(frozen=True, kw_only=True)
class WorldsBenchOptions(WorldArgs):
    """Measure how fast tasks are generated, in processor time of one thread.

    Attributes:
        n: Tasks of each family, a multiple of 5.
        output: Also write everything as JSON to this file.
    """

    n: int = 30
    output: Path | None = None

    def __post_init__(self) -> None:
        require(self.n > 0 and self.n % IN_A_ROW == 0, "n", self.n, f"a multiple of {IN_A_ROW}")


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.
    """
    options = read_options(WorldsBenchOptions, argv, "deepeyes bench worlds")
    record, ordinary = Record(), []
    for name in track(options.names, "drawing", transient=True, console=Console(stderr=True)):
        source, measure = options.source(name), Measure(name, "ms", 1e3)
        if _area(source) <= ORDINARY_PIXELS:
            ordinary.append(measure)
        for index in range(WARM_UP):
            source.draw(index, "validation")
        work = {TASK: _draws(source, measure), ENCODING: _encodings(source, measure)}
        interleave(options.n // IN_A_ROW, {each: turns.__next__ for each, turns in work.items()}, record)
    measured = Measured([_rate(record, ordinary)], record.rows())
    if options.output is not None:
        write_json(options.output, options, measured)
    console = Console()
    console.print(targets_table(measured.targets))
    console.print(figures_table(measured.figures))


def _rate(record: Record, ordinary: Sequence[Measure]) -> Verdict:
    """Tasks a second when the ordinary families take turns, as a source lets them."""
    medians = [record.median(measure, TASK) for measure in ordinary]
    milliseconds = sum(median for median in medians if median is not None)
    value = 1e3 * len(ordinary) / milliseconds if milliseconds else None
    return Verdict("ordinary tasks on one core", "per s", value, WANTED, at_least=True)


def _area(source: GeneratedSource[Any]) -> int:
    return sum(image.width * image.height for image in source.draw(0, "train").images)


def _draws(source: GeneratedSource[Any], measure: Measure) -> Iterator[list[Sample]]:
    for first in itertools.count(step=IN_A_ROW):
        yield [(measure, _seconds(source, index)) for index in range(first, first + IN_A_ROW)]


def _seconds(source: GeneratedSource[Any], index: int) -> float:
    begin = time.thread_time()
    source.draw(index, "train")
    return time.thread_time() - begin


def _encodings(source: GeneratedSource[Any], measure: Measure) -> Iterator[list[Sample]]:
    for index in itertools.count():
        pictures = [image.decode() for image in source.draw(index, "train").images]
        begin = time.thread_time()
        for picture in pictures:
            picture.save(io.BytesIO(), format="JPEG", quality=88)
        yield [(measure, time.thread_time() - begin)]
