"""The sandbox's targets: ratios to peers in the same run, and a few absolute guides."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.speed import measures
from benchmarks.speed.record import Measure, Ratio, Record

OURS, FORK, BARE = "ours", "ours, by fork", "bare fork"
"""Ours without addition is as it comes: with processes that wait."""
KERNEL, EMPTY_KERNEL = "ipykernel", "ipykernel, no libraries"
FRESH = "process per cell"
GROUP = "ours, in a group"
ECHO = "socketpair"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target and how it was met.

    Attributes:
        name: What is compared.
        unit: Of the value.
        value: In this run; None when a peer is missing.
        bound: The target.
        at_least: Whether the value should be at least the bound, and not at most.
        low: Lower end of the value's 95 % interval; None where none was computed.
        high: Upper end.
    """

    name: str
    unit: str
    value: float | None
    bound: float
    at_least: bool
    low: float | None = None
    high: float | None = None

    @property
    def met(self) -> bool | None:
        """None when there is no value."""
        if self.value is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def compared(name: str, unit: str, ratio: Ratio | None, bound: float) -> Verdict:
    """A ratio that is to be at least `bound`, with its interval; None where a peer is missing."""
    if ratio is None:
        return Verdict(name, unit, None, bound, at_least=True)
    return Verdict(name, unit, ratio.value, bound, at_least=True, low=ratio.low, high=ratio.high)


def verdicts(record: Record, leaks: dict[str, int] | None) -> list[Verdict]:
    """Compare a run with the targets.

    Args:
        record: The samples.
        leaks: What a churn of sessions left behind, by kind; None when it was not looked for.
    """

    def faster(name: str, measure: Measure, ours: str, peer: str, bound: float) -> Verdict:
        value = _ratio(record.median(measure, peer), record.median(measure, ours))
        return Verdict(f"{name}: {ours} against {peer}", "x faster", value, bound, at_least=True)

    def at_most(name: str, measure: Measure, ours: str, peer: str, bound: float) -> Verdict:
        value = _ratio(record.median(measure, ours), record.median(measure, peer))
        return Verdict(f"{name}: {ours} / {peer}", "x", value, bound, at_least=False)

    start, cell, episode = measures.START, measures.CELL, measures.EPISODE
    return [
        faster("session start", start, OURS, EMPTY_KERNEL, 1_000),
        Verdict("session start: ours, p50", "ms", record.row(start, OURS).p50, 0.6, at_least=False),
        Verdict("session start: ours, p99", "ms", record.row(start, OURS).p99, 5.0, at_least=False),
        at_most("session start", start, FORK, BARE, 1.4),
        faster("session start", start, FORK, KERNEL, 100),
        at_most("cell", cell, OURS, ECHO, 8),
        faster("cell", cell, OURS, KERNEL, 60),
        faster("episode", episode, OURS, KERNEL, 40),
        faster("episode", episode, GROUP, KERNEL, 80),
        Verdict("sessions: ours", "per s", record.median(measures.SESSIONS, OURS), 100, at_least=True),
        Verdict("cells: ours", "per s", record.median(measures.CELLS, OURS), 5_000, at_least=True),
        Verdict("idle session: ours", "MiB", record.median(measures.MEMORY, OURS), 4.0, at_least=False),
        at_most("idle session", measures.MEMORY, OURS, KERNEL, 1 / 20),
        Verdict("left behind by churned sessions", "things", _worst(leaks), 0, at_least=False),
    ]


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    return None if numerator is None or denominator is None else numerator / denominator


def _worst(leaks: dict[str, int] | None) -> float | None:
    return None if leaks is None else max(leaks.values())
