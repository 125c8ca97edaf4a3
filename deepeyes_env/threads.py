"""Threads that do not keep the process from ending, whatever hangs in them."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class DaemonThreads:
    """Performs work in threads, as many as there is work at once; idle ones are used again.

    `concurrent.futures` waits for its threads when the interpreter ends, so one tool that hangs for ever
    would keep a finished training run alive.
    """

    def __init__(self) -> None:
        self._crew = Crew()

    def run(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Perform `work` in a thread; to be awaited in the running event loop.

        What it gives or raises is lost without a trace when nobody waits any more.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def perform() -> None:
            result: T | None = None
            error: BaseException | None = None
            try:
                result = work()
            except BaseException as raised:
                error = raised
            # A closed loop has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, future, result, error)

        self._crew.perform(perform)
        return future

    def close(self) -> None:
        """Let the threads end when they are idle; new work gets new ones. Idempotent."""
        crew, self._crew = self._crew, Crew()
        crew.dismiss()


class Crew:
    """Threads that serve one queue, as many as there is work at once; idle ones are used again.

    A third of the processor time of `concurrent.futures`, which makes a future with locks of its own for
    every piece of work.
    """

    def __init__(self, most: int | None = None) -> None:
        """Make a crew without threads.

        Args:
            most: Most threads; what comes while all are at work waits.
        """
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._most = most
        self._threads: list[threading.Thread] = []

    def perform(self, work: Callable[[], None]) -> None:
        """Have `work` done; it must not raise.

        Raises:
            RuntimeError: The system gives no more threads; the work is not done then.
        """
        if not self._idle.acquire(blocking=False) and len(self._threads) != self._most:
            thread = threading.Thread(target=self._serve, name="deepeyes", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._work.put(work)

    def dismiss(self) -> list[threading.Thread]:
        """Let the threads end when all work is done; a dismissed crew is given none any more.

        Returns:
            The threads, for who wants to join them.
        """
        for _ in self._threads:
            self._work.put(None)
        return self._threads

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work  # an idle thread keeps no episode, nor its pictures, in memory
            self._idle.release()


def _settle(future: asyncio.Future[T], result: T | None, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)  # type: ignore[arg-type]
    else:
        future.set_exception(error)
        future.exception()  # whoever was to wait may be cancelled in this very tick: no complaint then
