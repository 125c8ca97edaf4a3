"""An event loop in a thread of its own.

An engine and a pool of connections belong to the loop that they were opened in, but a trainer may roll out in
a new loop at every step, and holds its own up while it computes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines for whatever loop or thread asks."""

    def __init__(self, name: str) -> None:
        """Start the thread.

        Args:
            name: The thread's name.
        """
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work` over there; if the caller is cancelled, so is the work."""
        return await asyncio.wrap_future(self.submit(work))

    def block(self, work: Coroutine[Any, Any, T]) -> T:
        """`run`, for callers without a loop of their own."""
        return self.submit(work).result()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin `work` over there; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    @property
    def running(self) -> bool:
        """Whether it has not been stopped."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
