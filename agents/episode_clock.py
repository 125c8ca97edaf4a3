"""An episode's wall time, which stands still while nobody is at work on it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class OutOfTime(Exception):
    """The episode's wall time is used up."""


class EpisodeClock:
    """Runs from when it is made; what one episode awaits, one thing after the other, must not outlast it."""

    def __init__(self, seconds: float | None = None) -> None:
        """Start it.

        Args:
            seconds: The episode's wall time; None for no limit.
        """
        self._end = None if seconds is None else asyncio.get_running_loop().time() + seconds
        self._scope: asyncio.Timeout | None = None

    async def within(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for `work`, but not beyond the end.

        Raises:
            OutOfTime: It took longer and was given up.
        """
        if self._end is None:
            return await work
        scope = self._scope = asyncio.timeout_at(self._end)
        try:
            async with scope:
                return await work
        except TimeoutError as error:
            if scope.expired():
                raise OutOfTime from error
            raise
        finally:
            self._scope = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let the clock stand still meanwhile: for work that waits until it may begin."""
        scope = self._scope
        if self._end is None or scope is None or scope.expired():
            yield
            return
        loop = asyncio.get_running_loop()
        since = loop.time()
        scope.reschedule(None)
        try:
            yield
        finally:
            self._end += loop.time() - since
            scope.reschedule(self._end)
