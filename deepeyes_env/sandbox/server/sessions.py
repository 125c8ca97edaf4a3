"""The sessions behind the server: opened by their first cell, closed when cleared or idle, bounded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import anyio

from deepeyes_env.sandbox.base import STATE_LOST, CellResult, SandboxError
from deepeyes_env.sandbox.local import LocalSandbox, LocalSession

T = TypeVar("T")


class BusyError(RuntimeError):
    """The server is full; the message says of what."""


class Ran(NamedTuple):
    """A cell that ran, and whether a session was opened for it: a client that had one has lost its state."""

    result: CellResult
    new_session: bool


@dataclass(eq=False, slots=True)
class _Entry:
    """A session by name; `users` counts the requests that hold or await it."""

    session: LocalSession | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    used: float = field(default_factory=time.monotonic)


class Sessions:
    """Belongs to one event loop; cells run in threads, in the order in which they came."""

    def __init__(
        self, sandbox: LocalSandbox, *, cells: int, queue: int, most: int, idle_seconds: float
    ) -> None:
        """Make an empty table.

        Args:
            sandbox: Where sessions are opened.
            cells: Cells that run at the same time.
            queue: Cells that may wait for their turn.
            most: Sessions at the same time.
            idle_seconds: Time without a request after which a session is closed.
        """
        self._sandbox = sandbox
        self._limiter = anyio.CapacityLimiter(cells)
        self._admitted = cells + queue
        self._most = most
        self._idle_seconds = idle_seconds
        self._entries: dict[str, _Entry] = {}
        self._cells = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def cells(self) -> int:
        """Cells that run or wait."""
        return self._cells

    async def run(self, name: str, code: str, seconds: float) -> Ran:
        """Run a cell, after those that were asked of its session before.

        Args:
            name: The session; it is opened if there is none of that name.
            code: The cell.
            seconds: Wall time of the cell.

        Raises:
            BusyError: Too many cells wait, or there are too many sessions.
            SandboxError: The session failed; it is closed.
        """
        if self._cells >= self._admitted:
            raise BusyError("too many cells are waiting")
        self._cells += 1
        entry = None
        try:
            entry = self._entry(name)
            entry.users += 1
            async with entry.lock:
                return await self._in_thread(lambda: self._cell(entry, code, seconds))
        finally:
            self._cells -= 1
            if entry is not None:
                self._leave(name, entry)

    async def clear(self, name: str) -> None:
        """Close a session, after the work that was asked of it before; one that is not there is closed."""
        entry = self._entries.get(name)
        if entry is None:
            return
        entry.users += 1
        try:
            async with entry.lock:
                await self._close(entry)
        finally:
            self._leave(name, entry)

    async def expire(self) -> None:
        """Close idle sessions, for ever."""
        while True:
            await asyncio.sleep(self._idle_seconds / 4)
            oldest = time.monotonic() - self._idle_seconds
            for name, entry in list(self._entries.items()):
                if not entry.users and entry.used < oldest:
                    del self._entries[name]
                    await self._close(entry)

    def _entry(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None:
            if len(self._entries) >= self._most:
                raise BusyError("too many sessions are open")
            entry = self._entries[name] = _Entry()
        return entry

    def _leave(self, name: str, entry: _Entry) -> None:
        entry.users -= 1
        entry.used = time.monotonic()
        if entry.session is None and not entry.users:
            self._entries.pop(name, None)

    def _cell(self, entry: _Entry, code: str, seconds: float) -> Ran:
        new = entry.session is None
        if entry.session is None:
            entry.session = self._sandbox.open([])
        try:
            result = entry.session.run(code, seconds)
        except SandboxError:
            _end(entry)
            raise
        if result.status in STATE_LOST:
            # A session reopens with the images that it was opened with. Here they came in as a cell, and are
            # gone like everything else, so that the next request begins a new session.
            _end(entry)
        return Ran(result, new)

    async def _close(self, entry: _Entry) -> None:
        if entry.session is not None:
            await self._in_thread(lambda: _end(entry))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        # Abandoned when the server stops, which ends the sandbox and with it whatever the thread waits for.
        return await anyio.to_thread.run_sync(work, limiter=self._limiter, abandon_on_cancel=True)


def _end(entry: _Entry) -> None:
    session, entry.session = entry.session, None
    if session is not None:
        session.close()
