"""The local sandbox: one zygote, restarted when it dies, and the sessions that it forks."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence

from PIL import Image

from deepeyes_env.sandbox.base import SandboxError, SandboxLimits
from deepeyes_env.sandbox.local.cgroup import MEMORY_SHARE, totals
from deepeyes_env.sandbox.local.guest.layers import Level
from deepeyes_env.sandbox.local.levels import require_linux, start, start_at
from deepeyes_env.sandbox.local.process import ZygoteProcess
from deepeyes_env.sandbox.local.session import LocalSession


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
        memory_share: float = MEMORY_SHARE,
    ) -> None:
        """Prepare a sandbox; its process starts with the first session.

        Args:
            limits: Limits of each session.
            extras: Libraries beyond NumPy, Pillow and Matplotlib: keys of `tree.EXTRAS`.
            slots: Cells that run at the same time; the number of usable cores by default.
            min_level: The lowest isolation to accept. Where the highest cannot be had, the next one takes
                over with a `SandboxLevelWarning`.
            memory_share: Share of the machine's memory, or of the surrounding cgroup's, that all sessions may
                take together where a cgroup can be made; see `cgroup`.

        Raises:
            SandboxUnavailableError: This is not Linux.
        """
        require_linux()
        self._min_level = min_level
        self._memory_share = memory_share
        self._level: Level | None = None
        self.limits = limits or SandboxLimits()
        self._extras = tuple(extras)
        self._slots = threading.BoundedSemaphore(slots or len(os.sched_getaffinity(0)))
        self._lock = threading.Lock()
        self._zygote: ZygoteProcess | None = None
        self._sessions: set[LocalSession] = set()
        self._closed = False
        self._owner = os.getpid()
        _ALL.add(self)

    @property
    def level(self) -> Level:
        """The isolation that this machine gives; starts the sandbox if it has not been used.

        Raises:
            SandboxUnavailableError: It is below `min_level`.
        """
        return self._running_zygote().level

    @property
    def cgroup(self) -> str:
        """What bounds all sessions together, or why nothing does; starts the sandbox if it has not been used.

        Raises:
            SandboxUnavailableError: As `level`.
        """
        return self._running_zygote().group.description

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> LocalSession:
        """Open a session; see `Sandbox.open`."""
        try:
            zygote = self._running_zygote()
            session = LocalSession(zygote, images, seed, self.limits, self._slots, self._sessions.discard)
        except OSError as error:  # most likely too many open files: a session takes three
            raise SandboxError(f"no session can be opened: {error}; `ulimit -n` may be too low") from error
        with self._lock:
            closed = self._closed
            if not closed:
                self._sessions.add(session)
        if closed:
            session.close()
            raise SandboxError("the sandbox was closed")
        return session

    def close(self) -> None:
        """End everything; see `Sandbox.close`."""
        if self._owner != os.getpid():
            return
        with self._lock:
            self._closed = True
            zygote, self._zygote = self._zygote, None
            sessions = list(self._sessions)
        # The zygote first: it takes the guests with it, so that no session waits for its cell to end.
        if zygote is not None:
            zygote.close()
        for session in sessions:
            session.close()

    def _running_zygote(self) -> ZygoteProcess:
        with self._lock:
            if self._closed or self._owner != os.getpid():
                raise SandboxError(
                    "this sandbox is closed, or belongs to another process; make a new one here"
                )
            if self._zygote is not None and not self._zygote.alive:
                self._zygote.close()
                self._zygote = None
            if self._zygote is None:
                self._zygote = self._start_zygote()
            return self._zygote

    def _start_zygote(self) -> ZygoteProcess:
        bounds = totals(self._memory_share)
        if self._level is not None:  # a restart must not take what the first start would have warned of
            return start_at(self.limits, self._extras, self._level, bounds)
        zygote = start(self.limits, self._extras, self._min_level, bounds)
        self._level = zygote.level
        return zygote

    def forget(self) -> None:
        """In a forked copy of the host: drop every descriptor; the sessions belong to the parent."""
        if self._zygote is not None:
            self._zygote.forget()
        for session in self._sessions:
            session.forget()
        self._sessions = set()


_ALL: weakref.WeakSet[LocalSandbox] = weakref.WeakSet()


def _forget_all() -> None:
    for sandbox in list(_ALL):
        sandbox.forget()


os.register_at_fork(after_in_child=_forget_all)
