"""Guests that are forked ahead, so that an episode does not wait for one."""

from __future__ import annotations

import threading
import time
from collections import deque

from deepeyes_env.sandbox.base import SandboxError
from deepeyes_env.sandbox.local.oom import KillCounter
from deepeyes_env.sandbox.local.process import Guest, ZygoteProcess, close_guest, drop_guest

_CALM_SECONDS = 0.005
"""After how long without a new session the next guest is forked, which would slow one that has just begun."""


class Pool:
    """At most `ahead` waiting guests of one zygote. Safe to use from many threads."""

    def __init__(self, zygote: ZygoteProcess, ahead: int) -> None:
        """Start to fork.

        Args:
            zygote: Forks the guests.
            ahead: How many wait at most.
        """
        self.zygote = zygote
        self.kernel_kills = KillCounter(zygote.group)
        self._ahead = ahead
        self._waiting: deque[Guest] = deque()
        self._calm = 0.0
        self._closed = False
        self._changed = threading.Condition()
        if ahead:
            threading.Thread(target=self._refill, name="sandbox-pool", daemon=True).start()

    @property
    def waiting(self) -> int:
        """How many guests wait for an episode."""
        return len(self._waiting)

    def take(self) -> Guest:
        """A guest without an episode.

        Raises:
            SandboxError: There is none, and the zygote is gone or cannot fork.
        """
        with self._changed:
            guest = self._waiting.popleft() if self._waiting else None
            self._calm = time.monotonic() + _CALM_SECONDS
            self._changed.notify()
        return guest or self.zygote.fork()

    def close(self) -> None:
        """End the guests that wait, and fork no more. Idempotent."""
        with self._changed:
            self._closed = True
            waiting, self._waiting = self._waiting, deque()
            self._changed.notify()
        self.kernel_kills.close()
        for guest in waiting:
            close_guest(guest)

    def forget(self) -> None:
        """In a forked copy of the host: drop the descriptors, and leave the guests alone."""
        for guest in self._waiting:
            drop_guest(guest)
        self._waiting = deque()
        self.kernel_kills.close()

    def _refill(self) -> None:
        while self._room():
            try:
                guest = self.zygote.fork(ahead=True)
            except (SandboxError, OSError):
                # The next session meets the same trouble and tells its user; then is the time to try again.
                if not self._next_session():
                    return
                continue
            with self._changed:
                if not self._closed:
                    self._waiting.append(guest)
                    continue
            close_guest(guest)

    def _next_session(self) -> bool:
        with self._changed:
            self._changed.wait()
            return not self._closed and self.zygote.alive

    def _room(self) -> bool:
        """Wait until a guest is missing and nobody is in a hurry, or many are; False when it was closed."""
        with self._changed:
            while not self._closed:
                missing = self._ahead - len(self._waiting)
                wait = self._calm - time.monotonic()
                if missing and (wait <= 0 or 2 * missing > self._ahead):
                    return True
                self._changed.wait(wait if missing else None)
        return False
