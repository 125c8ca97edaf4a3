"""The bars while an evaluation runs."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from small_suites import ChoiceItems

from benchmarks.protocol import progress
from benchmarks.protocol.plan import Plan
from benchmarks.report.accuracy import ours
from benchmarks.result import Result

ONE = Result("choices", "", "", "", (), "off", 0, 0, 0, "answered", "A", True, 1.0, "choice")


def test_the_running_accuracy_is_that_of_all_results_and_is_not_counted_at_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[int] = []

    def counting(results: list[Result]) -> object:
        counted.append(len(results))
        return ours(results)

    monkeypatch.setattr(progress, "ours", counting)
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    results = [
        replace(ONE, item=str(number), cluster=str(number), correct=number % 4 > 0) for number in range(1000)
    ]
    with progress.live_bars([ChoiceItems(1000)], Plan(("off",)), console) as show:
        for one in results:
            show(one)
    assert counted[:50] == list(range(1, 51))
    assert counted[-1] == 1000
    assert len(counted) < 400
    assert f"1000/1000 {ours(results)}" in " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
