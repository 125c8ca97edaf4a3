"""The local sandbox: one zygote, restarted when it dies, and the sessions that it forks."""

from __future__ import annotations

import os
import resource
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from deepeyes_env.errors import require
from deepeyes_env.sandbox.base import SandboxError, SandboxLimits
from deepeyes_env.sandbox.config import LocalSandboxConfig
from deepeyes_env.sandbox.local.cgroup import MEMORY_SHARE, totals
from deepeyes_env.sandbox.local.guest.layers import Level
from deepeyes_env.sandbox.local.levels import require_linux, start, start_at
from deepeyes_env.sandbox.local.pool import Pool
from deepeyes_env.sandbox.local.process import ZygoteProcess
from deepeyes_env.sandbox.local.session import LocalSession
from deepeyes_env.sandbox.local.sessions import LiveSessions
from deepeyes_env.sandbox.local.slots import Slots

AHEAD = 8
"""Processes that wait for an episode: four times the cores of a small machine, at some 3 MiB each."""
MAX_SESSIONS = 4_096
"""Live sessions: what fits into 16 GiB while they are idle."""


@dataclass(frozen=True, slots=True)
class SandboxUsage:
    """What a sandbox is doing at this moment.

    Attributes:
        sessions: Live sessions.
        cells: Cells that run.
        queued: Cells that wait for a run slot.
        ahead: Processes that wait for an episode.
        opened: Sessions that there have been.
        starts: How often the zygote was started.
    """

    sessions: int
    cells: int
    queued: int
    ahead: int
    opened: int
    starts: int


class LocalSandbox:
    """Runs cells in isolated processes on this machine; see the `Sandbox` protocol.

    Every session is a process of its own, with its own memory, /tmp and process ids, without network, host
    files, other programs or rights. It is a shared kernel all the same: a hole in the kernel is a way out.
    """

    def __init__(
        self,
        limits: SandboxLimits | None = None,
        *,
        extras: Sequence[str] = (),
        slots: int | None = None,
        min_level: Level = Level.NO_NAMESPACES,
        ahead: int = AHEAD,
        max_sessions: int = MAX_SESSIONS,
        memory_share: float = MEMORY_SHARE,
    ) -> None:
        """Prepare a sandbox; its process starts with the first session.

        Args:
            limits: Limits of each session.
            extras: Libraries beyond NumPy, Pillow and Matplotlib: keys of `tree.EXTRAS`.
            slots: Cells that run at the same time, first come, first served; the number of usable cores by
                default.
            min_level: The lowest isolation to accept. Where the highest cannot be had, the next one takes
                over with a `SandboxLevelWarning`.
            ahead: Processes to fork in advance: a session that finds one starts in a tenth of the time.
            max_sessions: Sessions that may be open at the same time.
            memory_share: Share of the machine's memory, or of the surrounding cgroup's, that all sessions may
                take together where a cgroup can be made; see `cgroup`.

        Raises:
            SandboxUnavailableError: This is not Linux.
            ConfigError: A number is out of its range.
        """
        require_linux()
        # The configuration knows the ranges.
        LocalSandboxConfig(ahead=ahead, max_sessions=max_sessions, memory_share=memory_share)
        require(slots is None or slots >= 1, "slots", slots, "at least 1")
        self._min_level = min_level
        self._memory_share = memory_share
        self._level: Level | None = None
        self.limits = limits or SandboxLimits()
        self._extras = tuple(extras)
        self._slots = Slots(slots or len(os.sched_getaffinity(0)))
        self._ahead = ahead
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self._starts = 0
        self._sessions = LiveSessions(max_sessions)
        self._closed = False
        self._owner = os.getpid()
        _ALL.add(self)

    @property
    def level(self) -> Level:
        """The isolation that this machine gives; starts the sandbox if it has not been used.

        Raises:
            SandboxUnavailableError: It is below `min_level`.
        """
        return self._running_pool().zygote.level

    @property
    def usage(self) -> SandboxUsage:
        """What it is doing now."""
        pool = self._pool
        return SandboxUsage(
            sessions=len(self._sessions),
            cells=self._slots.taken,
            queued=self._slots.waiting,
            ahead=pool.waiting if pool else 0,
            opened=self._sessions.opened,
            starts=self._starts,
        )

    @property
    def cgroup(self) -> str:
        """What bounds all sessions together, or why nothing does; starts the sandbox if it has not been used.

        Raises:
            SandboxUnavailableError: As `level`.
        """
        return self._running_pool().zygote.group.description

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> LocalSession:
        """Open a session; see `Sandbox.open`.

        Read-only images (`deepeyes_env.images.freeze`) are copied once for all sessions that have them.
        """
        self._sessions.require_room()
        try:
            pool = self._running_pool()
            session = LocalSession(
                pool,
                images,
                seed,
                self.limits,
                self._slots,
                on_idle=self._sessions.rest,
                on_close=self._sessions.discard,
            )
        except OSError as error:  # most likely too many open files: a session takes two, an image one
            raise SandboxError(f"no session can be opened: {error}; `ulimit -n` may be too low") from error
        if not self._sessions.add(session):
            session.close()
            raise SandboxError("the sandbox was closed")
        return session

    def close(self) -> None:
        """End everything; see `Sandbox.close`."""
        if self._owner != os.getpid():
            return
        with self._lock:
            self._closed = True
        # The zygote first: it takes the guests with it, so that no session waits for its cell to end.
        try:
            if self._pool is not None:
                self._pool.zygote.close()
        finally:
            if self._pool is not None:
                self._pool.close()
            self._sessions.close()

    def _running_pool(self) -> Pool:
        with self._lock:
            if self._closed or self._owner != os.getpid():
                raise SandboxError(
                    "this sandbox is closed, or belongs to another process; make a new one here"
                )
            if self._pool is not None and not self._pool.zygote.alive:
                self._pool.zygote.close()
                self._pool.close()
                self._pool = None
            if self._pool is None:
                _allow_many_files()
                self._pool = Pool(self._start_zygote(), self._ahead)
                self._starts += 1
            return self._pool

    def _start_zygote(self) -> ZygoteProcess:
        bounds = totals(self._memory_share)
        if self._level is not None:  # a restart must not take what the first start would have warned of
            return start_at(self.limits, self._extras, self._level, bounds)
        zygote = start(self.limits, self._extras, self._min_level, bounds)
        self._level = zygote.level
        return zygote

    def forget(self) -> None:
        """In a forked copy of the host: drop every descriptor; the sessions belong to the parent."""
        if self._pool is not None:
            self._pool.forget()
        self._sessions.forget()


def _allow_many_files() -> None:
    """A session takes two descriptors; the usual soft limit of 1,024 is there for programs that `select`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < min(hard, _OPEN_FILES):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, _OPEN_FILES), hard))


_OPEN_FILES = 4 * MAX_SESSIONS

_ALL: weakref.WeakSet[LocalSandbox] = weakref.WeakSet()


def _forget_all() -> None:
    for sandbox in list(_ALL):
        sandbox.forget()


os.register_at_fork(after_in_child=_forget_all)
