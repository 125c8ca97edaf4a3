"""A control group around a whole sandbox: what all of its sessions together may take of the machine.

It is not a wall but a bound on the sum, and there is one only where this process may make one: usually for
root, and with cgroup v2 also for users with a delegated part of the tree. Where it cannot be made the sandbox
runs without, at every level, and the `Group` says why. Whether it can be made is found by making it, never by
reading version numbers.

With v1 each controller has a tree of its own, and the group is made inside the one that this process is in.
With v2 a group that holds processes cannot give controllers to groups inside it ("no internal processes"), so
the group is made beside this process's own, in their common parent, if that hands the controllers out. A
process in a group with a memory limit of its own stays there: who set that limit meant the sandbox too.

v1 runs for real in the tests; of v2, only finding the place does, against a copy of the kernel's directories.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deepeyes_env.sandbox.local.guest.rooms import PREFIX

MEMORY_SHARE = 0.8
"""Share of the memory that a sandbox may take; the rest is for the trainer and the system."""

_PROCESS_SHARE = 0.5
"""Share of the process ids that a sandbox may take."""
_CONTROLLERS = frozenset({"memory", "pids"})
_LIMITS = {
    (1, "memory"): "memory.limit_in_bytes",
    (2, "memory"): "memory.max",
    (1, "pids"): "pids.max",
    (2, "pids"): "pids.max",
}
"""The files with a controller's limit, by the version of the interface (`cgroup-v1`, `cgroup-v2`)."""
_EVENTS = ("memory.oom_control", "memory.events.local")
"""The files that count kills (`cgroup-v1/memory`, `cgroup-v2`), without those of groups inside."""
_MEMBERSHIPS, _MOUNTS, _PID_MAX = "/proc/self/cgroup", "/proc/self/mountinfo", "/proc/sys/kernel/pid_max"
_ATTEMPTS = 10
"""A host that starts removes every group with nothing in it, also one that another has just made."""
_REMOVAL_SECONDS = 2.0
"""Time for the killed processes to be gone; some milliseconds on an idle machine."""
_MEND = "start as root outside of a container or, with cgroup v2, by `systemd-run --user --scope`"


@dataclass(frozen=True, slots=True)
class Totals:
    """What all sessions of one sandbox may take together with their zygote.

    Attributes:
        memory_bytes: Memory and swap, with what is in every /tmp.
        processes: Processes and threads.
    """

    memory_bytes: int
    processes: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A mounted tree of groups.

    Attributes:
        version: Of the interface: 1 or 2.
        root: Where it is mounted.
        own: The directory of the group that this process is in.
        controllers: Those mounted with it, of `memory` and `pids`; with version 2 each group has its own.
    """

    version: int
    root: Path
    own: Path
    controllers: frozenset[str]

    def limits(self, controller: str) -> list[int]:
        """The limits of this process's group and those around it."""
        inside = self.own.relative_to(self.root)
        groups = [self.root / path for path in (inside, *inside.parents)]
        return [limit for group in groups for limit in _limit(group, self.version, controller)]


@dataclass(frozen=True, slots=True)
class Place:
    """A directory in which a group can be bounded by these controllers."""

    version: int
    parent: Path
    controllers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Group:
    """The control group of one sandbox.

    Attributes:
        directories: With version 1 one for each controller; none where no group can be made.
        description: What it bounds or why it does not, and the mend, for people.
    """

    directories: tuple[Path, ...]
    description: str

    def kills(self) -> int:
        """How many processes the kernel has ended because memory ran out; 0 where nobody counts.

        Where there is no group of its own, the one around this process counts.
        """
        around = [tree.own for tree in _own_trees()]
        for directory in self.directories or around:
            for name in _EVENTS:
                with contextlib.suppress(OSError):
                    return _count((directory / name).read_text())
        return 0

    def close(self) -> None:
        """Remove it as soon as its processes are gone. What lingers is left to the next start. Idempotent."""
        for directory in self.directories:
            _remove(directory, _REMOVAL_SECONDS)


def totals(memory_share: float = MEMORY_SHARE) -> Totals:
    """The bounds for a sandbox on this machine, or in the groups around this process where they are lower.

    Args:
        memory_share: Share of the memory, above 0 and at most 1.
    """
    memory = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    processes = [int(Path(_PID_MAX).read_text())]
    for tree in _own_trees():
        memory += tree.limits("memory")
        processes += tree.limits("pids")
    return Totals(int(memory_share * min(memory)), int(_PROCESS_SHARE * min(processes)))


def enclose(pid: int, bounds: Totals) -> Group:
    """Move a process into a group of its own, with all that it will fork, as far as that can be done here.

    Args:
        pid: A process that has forked nothing yet.
        bounds: The limits of the group.
    """
    missing = set(_CONTROLLERS)
    directories: list[Path] = []
    held: list[str] = []
    refused: list[str] = []
    for place in places(_own_trees()):
        wanted = sorted(missing & place.controllers)
        if not wanted:
            continue
        try:
            directories.append(_make(place, wanted, bounds, pid))
        except OSError as error:
            refused.append(f"{place.parent}: {error.strerror}")
            continue
        missing -= place.controllers
        held += [f"{controller} (cgroup v{place.version})" for controller in wanted]
    if missing:
        why = "; ".join(refused) or "no group around this process hands it out, or its own has a memory limit"
        held.append(f"not {' and '.join(sorted(missing))} ({why}; mend: {_MEND})")
    return Group(tuple(directories), ", ".join(held))


def describe() -> str:
    """What a sandbox's group bounds on this machine, or why there is none; found by making one."""
    command = [sys.executable, "-I", "-S", "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        group = enclose(process.pid, totals())
        process.kill()
    group.close()
    return group.description


def trees(memberships: str, mounts: str) -> list[Tree]:
    """The mounted trees with this process's group in each.

    Args:
        memberships: The content of /proc/self/cgroup (`cgroups(7)`).
        mounts: The content of /proc/self/mountinfo (`proc_pid_mountinfo(5)`).
    """
    paths: dict[str, str] = {}
    for line in memberships.splitlines():
        _, names, path = line.split(":", 2)
        paths |= dict.fromkeys(names.split(","), path)
    found = []
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        mounted, point = left.split()[3:5]
        kind, *_, options = right.split()  # the source between them may be empty
        controllers = frozenset(options.split(",")) & _CONTROLLERS if kind == "cgroup" else frozenset()
        if not controllers and kind != "cgroup2":
            continue
        own = Path(paths.get(min(controllers, default=""), ""))
        # A container may see only a part of the tree, below `mounted`, and may be outside of it.
        if own.is_relative_to(mounted) and ".." not in own.parts:
            root, version = Path(point), 1 if controllers else 2
            found.append(Tree(version, root, root / own.relative_to(mounted), controllers))
    return found


def places(found: Sequence[Tree]) -> list[Place]:
    """Where a group may be made, as far as reading tells."""
    candidates = []
    for tree in found:
        if tree.version == 1:
            candidates.append(Place(1, tree.own, tree.controllers))
            continue
        # Only the machine's outermost group has both processes and controllers to give.
        candidates.append(Place(2, tree.own, _handed_out(tree.own)))
        if tree.own != tree.root and not _limit(tree.own, 2, "memory"):
            candidates.append(Place(2, tree.own.parent, _handed_out(tree.own.parent)))
    return candidates


def _own_trees() -> list[Tree]:
    try:
        return trees(Path(_MEMBERSHIPS).read_text(), Path(_MOUNTS).read_text())
    except OSError:  # a kernel without groups, or no /proc
        return []


def _count(events: str) -> int:
    return sum(int(value) for name, value in map(str.split, events.splitlines()) if name == "oom_kill")


def _limit(directory: Path, version: int, controller: str) -> list[int]:
    """A group's own limit, if it has one: the outermost has no such file, and "max" is none."""
    with contextlib.suppress(OSError, ValueError):
        return [int((directory / _LIMITS[version, controller]).read_text())]
    return []


def _handed_out(directory: Path) -> frozenset[str]:
    with contextlib.suppress(OSError):
        return _CONTROLLERS.intersection((directory / "cgroup.subtree_control").read_text().split())
    return frozenset()


def _make(place: Place, controllers: Sequence[str], bounds: Totals, pid: int) -> Path:
    for name in os.listdir(place.parent):
        if name.startswith(PREFIX):
            _remove(place.parent / name, 0.0)
    for _ in range(_ATTEMPTS):
        directory = place.parent / f"{PREFIX}{secrets.token_hex(8)}"
        directory.mkdir()
        try:
            _fill(directory, place.version, controllers, bounds, pid)
            return directory
        except OSError as error:
            _remove(directory, 0.0)
            failure = error
        if failure.errno not in (errno.ENOENT, errno.ENODEV):
            break
    raise failure


def _fill(directory: Path, version: int, controllers: Sequence[str], bounds: Totals, pid: int) -> None:
    values = {"memory": bounds.memory_bytes, "pids": bounds.processes}
    for controller in controllers:
        _write(directory / _LIMITS[version, controller], values[controller])
    if "memory" in controllers:
        # Version 1 counts memory and swap together, version 2 swap alone; a kernel may count neither.
        with contextlib.suppress(FileNotFoundError):
            if version == 1:
                _write(directory / "memory.memsw.limit_in_bytes", bounds.memory_bytes)
            else:
                _write(directory / "memory.swap.max", 0)
    _write(directory / "cgroup.procs", pid)


def _write(file: Path, value: int) -> None:
    with open(os.open(file, os.O_WRONLY), "w") as stream:  # without O_CREAT: the files are the kernel's
        stream.write(str(value))


def _remove(directory: Path, patience: float) -> None:
    end = time.monotonic() + patience
    while True:
        try:
            directory.rmdir()
        except OSError as error:
            if error.errno == errno.EBUSY and time.monotonic() < end:
                time.sleep(0.005)
                continue
        return
