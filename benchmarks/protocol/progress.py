"""Live progress: a bar for every suite and mode with the accuracy so far and its Wilson interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from benchmarks.protocol.ask import OnResult
from benchmarks.protocol.plan import Items, Plan
from benchmarks.report.accuracy import ours
from benchmarks.result import Mode, Result


@contextmanager
def live_bars(suites: Sequence[Items], plan: Plan, console: Console) -> Iterator[OnResult]:
    """Bars while the block runs.

    Args:
        suites: What is asked.
        plan: How often.
        console: Where they are drawn.

    Yields:
        What is to be told every result.
    """
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[accuracy]}"),
        TimeElapsedColumn(),
        console=console,
    )
    tallies = {
        (items.suite.card.name, mode): _Tally(bars, items, mode, plan)
        for items in suites
        for mode in plan.modes
    }
    with bars:
        yield lambda result: tallies[result.suite, result.mode].add(result)


STEP = 100
"""The accuracy is counted anew whenever a hundredth more results are there: it is over all of them, and
counted at each of twenty thousand it would take minutes."""


class _Tally:
    """The results of one suite in one mode so far."""

    def __init__(self, bars: Progress, items: Items, mode: Mode, plan: Plan) -> None:
        self._bars = bars
        self._results: list[Result] = []
        self._due = 0
        total = plan.count(items) * len(plan.seeds) * plan.samples
        # Of an item in all cyclic orders nobody knows the number before it is read.
        self._total = None if plan.option_order == "averaged" else total
        self._bar: TaskID = bars.add_task(
            f"{items.suite.card.title}, tools {mode}", total=self._total, accuracy="", start=False
        )

    def add(self, result: Result) -> None:
        if not self._results:
            self._bars.start_task(self._bar)
        self._results.append(result)
        told = len(self._results)
        self._bars.update(self._bar, completed=told)
        if told >= self._due or told == self._total:
            self._due = told + max(1, told // STEP)
            self._bars.update(self._bar, accuracy=str(ours(self._results)))
        if told == self._total:
            self._bars.stop_task(self._bar)
