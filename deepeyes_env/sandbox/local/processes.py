"""Reads from /proc the processes of all local sandboxes on this machine (`proc(5)`).

Only a launcher is known by its command line. The rest is found by parentage, because a guest can overwrite
its own command line and choose its own name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

_MARK = b"from guest.zygote import main"
"""What every zygote is started with (`process.py`)."""
_PACKAGE = b"/sandbox/local/guest"

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process of a sandbox.

    Attributes:
        pid: Its id.
        parent: Its parent's id.
        state: The letter of `proc(5)`: R running, S sleeping, T stopped, ...
        threads: Number of its threads.
        cpu_seconds: Processor time used so far.
        started: Seconds between the machine's start and its own.
        rss_bytes: Resident memory, what it shares included.
        pss_bytes: Resident memory, what it shares divided among the sharers; None if it may not be read.
        uss_bytes: Resident memory of its own; None if it may not be read.
        depth: Number of PID namespaces that it is in, as seen from here.
        marked: Whether its command line is that of a sandbox.
    """

    pid: int
    parent: int
    state: str
    threads: int
    cpu_seconds: float
    started: float
    rss_bytes: int
    pss_bytes: int | None
    uss_bytes: int | None
    depth: int
    marked: bool


def read_processes(proc: Path = Path("/proc")) -> list[ProcessRecord]:
    """The launchers of all sandboxes, and everything below them.

    Processes that end while they are read are left out.

    Args:
        proc: Where the proc file system is.
    """
    found = {record.pid: record for record in _all(proc)}
    wanted = {record.pid for record in found.values() if record.marked}
    below = [*wanted]
    children: dict[int, list[int]] = {}
    for record in found.values():
        children.setdefault(record.parent, []).append(record.pid)
    while below:
        new = [pid for pid in children.get(below.pop(), ()) if pid not in wanted]
        wanted.update(new)
        below += new
    return [_with_memory(proc, found[pid]) for pid in sorted(wanted)]


def uptime(proc: Path = Path("/proc")) -> float:
    """Seconds since the machine's start."""
    return float((proc / "uptime").read_text(encoding="ascii").split()[0])


def _all(proc: Path) -> Iterator[ProcessRecord]:
    for entry in os.listdir(proc):
        if entry.isdigit():
            try:
                yield _read(proc / entry)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue  # it has ended, or `hidepid` hides it


def _read(folder: Path) -> ProcessRecord:
    # The name in parentheses is the process's own choice and may hold anything, also parentheses.
    fields = (folder / "stat").read_bytes().rpartition(b")")[2].decode("ascii").split()
    command = (folder / "cmdline").read_bytes().split(b"\0")
    return ProcessRecord(
        pid=int(folder.name),
        parent=int(fields[1]),
        state=fields[0],
        threads=int(fields[17]),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
        started=int(fields[19]) / _TICKS,
        rss_bytes=int(fields[21]) * _PAGE,
        pss_bytes=None,
        uss_bytes=None,
        depth=1,
        marked=_is_marked(command),
    )


def _is_marked(command: list[bytes]) -> bool:
    return any(_MARK in code and package.endswith(_PACKAGE) for code, package in pairwise(command))


def _with_memory(proc: Path, record: ProcessRecord) -> ProcessRecord:
    """Add what only a sandbox's processes are asked for, because it takes the kernel longer."""
    folder = proc / str(record.pid)
    try:
        status = _fields((folder / "status").read_text(encoding="utf-8", errors="replace"))
        record = replace(record, depth=len(status.get("NSpid", "1").split()))
        memory = _fields((folder / "smaps_rollup").read_text(encoding="ascii"))
        uss = sum(_kibibytes(memory, name) for name in ("Private_Clean", "Private_Dirty", "Private_Hugetlb"))
        return replace(record, pss_bytes=_kibibytes(memory, "Pss"), uss_bytes=uss)
    except OSError:  # it has ended, or is another user's
        return record


def _fields(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition(":") for line in text.splitlines())}


def _kibibytes(fields: dict[str, str], name: str) -> int:
    return int(fields.get(name, "0 kB").split()[0]) << 10
