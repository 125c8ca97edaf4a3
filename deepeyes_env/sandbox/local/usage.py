"""What each sandbox uses: from single processes to one row per sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from deepeyes_env.sandbox.local.guest.layers import Level
from deepeyes_env.sandbox.local.processes import ProcessRecord


@dataclass(frozen=True, slots=True)
class Usage:
    """One sandbox.

    Attributes:
        host: Id of the process that uses it.
        level: Its isolation; None while it starts.
        sessions: Number of its guests.
        running: Those of them that compute.
        waiting: Those that wait: for their first cell, or inside of one.
        stopped: Those that are stopped, as all are between two cells.
        threads: Threads of the guests.
        cpu_percent: Processor time of all its processes since the last look; 100 is one core.
        rss_bytes: Sum of the resident memory; counts what is shared once per process.
        pss_bytes: The memory that it takes in all; None if some of it may not be read.
        uss_bytes: The memory that is of one process each; None if some of it may not be read.
        age_seconds: Since its start.
    """

    host: int
    level: Level | None
    sessions: int
    running: int
    waiting: int
    stopped: int
    threads: int
    cpu_percent: float
    rss_bytes: int
    pss_bytes: int | None
    uss_bytes: int | None
    age_seconds: float


def usage(
    records: Sequence[ProcessRecord], before: Mapping[int, float], seconds: float, now: float
) -> list[Usage]:
    """Group processes into sandboxes, the oldest first.

    A sandbox is a launcher, which is the process with a mark whose parent has none, its child the zygote, and
    the zygote's children, the guests.

    Args:
        records: The processes.
        before: Processor time of each process at the last look, by process id.
        seconds: Time since the last look.
        now: Time since the machine's start.
    """
    marked = {record.pid for record in records if record.marked}
    children: dict[int, list[ProcessRecord]] = {}
    for record in records:
        if record.state not in "ZX":  # dead
            children.setdefault(record.parent, []).append(record)
    launchers = [record for record in records if record.marked and record.parent not in marked]
    launchers.sort(key=lambda record: (record.started, record.pid))
    return [_one(launcher, children, before, seconds, now) for launcher in launchers]


def _one(
    launcher: ProcessRecord,
    children: Mapping[int, list[ProcessRecord]],
    before: Mapping[int, float],
    seconds: float,
    now: float,
) -> Usage:
    zygotes = children.get(launcher.pid, [])
    guests = [guest for zygote in zygotes for guest in children.get(zygote.pid, ())]
    everything = [launcher, *zygotes, *guests]
    states = [guest.state for guest in guests]
    spent = sum(max(0.0, record.cpu_seconds - before.get(record.pid, 0.0)) for record in everything)
    return Usage(
        host=launcher.parent,
        level=_level(launcher, zygotes),
        sessions=len(guests),
        running=sum(state in "RD" for state in states),
        waiting=sum(state not in "RDTt" for state in states),
        stopped=sum(state in "Tt" for state in states),
        threads=sum(guest.threads for guest in guests),
        cpu_percent=100 * spent / seconds if seconds > 0 else 0.0,
        rss_bytes=sum(record.rss_bytes for record in everything),
        pss_bytes=_sum(record.pss_bytes for record in everything),
        uss_bytes=_sum(record.uss_bytes for record in everything),
        age_seconds=max(0.0, now - launcher.started),
    )


def _level(launcher: ProcessRecord, zygotes: Sequence[ProcessRecord]) -> Level | None:
    """By the zygote's PID namespace, which the kernel shows to everybody."""
    if not zygotes:
        return None
    return Level.FULL if zygotes[0].depth > launcher.depth else Level.NO_NAMESPACES


def _sum(values: Iterable[int | None]) -> int | None:
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)
