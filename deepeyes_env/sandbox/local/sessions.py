"""The live sessions of a sandbox: no more than a bound, none older than its limit, the idle ones frozen."""

from __future__ import annotations

import threading
import time

from deepeyes_env.sandbox.base import SandboxError
from deepeyes_env.sandbox.local.session import LocalSession

_IDLE_SECONDS = 0.02
"""After how long without a cell a session is frozen: shorter than any model's turn, and long enough that
cells in quick succession, as in tests, do not pay for it."""
_RETRY_SECONDS = 1.0
"""When to look again at a session whose time was over in the middle of a cell."""


class LiveSessions:
    """Safe to use from many threads.

    Attributes:
        most: How many there may be.
    """

    def __init__(self, most: int) -> None:
        """Keep at most `most` sessions."""
        self.most = most
        self._sessions: dict[LocalSession, None] = {}  # the oldest first
        self._resting: dict[LocalSession, None] = {}
        self._opened = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def opened(self) -> int:
        """How many sessions there have been."""
        return self._opened

    def require_room(self) -> None:
        """Refuse one session too many.

        Raises:
            SandboxError: There are as many as there may be.
        """
        if len(self._sessions) >= self.most:
            raise SandboxError(
                f"max_sessions = {self.most}: so many sessions are open; close some, or raise it"
            )

    def add(self, session: LocalSession) -> bool:
        """Take charge of a session.

        Returns:
            Whether the sandbox is still open; else the session is the caller's to close.
        """
        with self._changed:
            if self._closed:
                return False
            if not self._opened:
                threading.Thread(target=self._keep_house, name="sandbox-sessions", daemon=True).start()
            self._opened += 1
            self._sessions[session] = None
            if len(self._sessions) == 1:  # else another one ends before it
                self._changed.notify()
            return True

    def discard(self, session: LocalSession) -> None:
        """Forget a session that was closed."""
        with self._changed:
            self._sessions.pop(session, None)
            self._resting.pop(session, None)

    def close(self) -> None:
        """Close all of them, and take no more."""
        with self._changed:
            self._closed = True
            sessions = list(self._sessions)
            self._changed.notify()
        for session in sessions:
            session.close()

    def forget(self) -> None:
        """In a forked copy of the host: drop their descriptors; the sessions belong to the parent."""
        for session in self._sessions:
            session.forget()
        self._sessions = {}

    def rest(self, session: LocalSession) -> None:
        """A cell has ended: freeze the session unless another one follows at once."""
        if session not in self._resting:
            with self._changed:
                self._resting[session] = None
                self._changed.notify()

    def _keep_house(self) -> None:
        with self._changed:
            while not self._closed:
                self._changed.wait(min(self._freeze_idle(), self._end_old()))

    def _freeze_idle(self) -> float:
        """Freeze the sessions without a cell; tells after how many seconds to look again."""
        since = time.monotonic() - _IDLE_SECONDS
        for session in list(self._resting):
            # Out first: a cell that ends meanwhile puts it in again.
            del self._resting[session]
            if not session.freeze_if_idle(since):
                self._resting[session] = None
        return _IDLE_SECONDS if self._resting else threading.TIMEOUT_MAX

    def _end_old(self) -> float:
        """Close the sessions whose time is over; tells after how many seconds to look again."""
        for session in list(self._sessions):
            left = session.expires - time.monotonic()
            if left > 0:
                return left
            if not session.close_if_idle():
                return _RETRY_SECONDS
        return threading.TIMEOUT_MAX
