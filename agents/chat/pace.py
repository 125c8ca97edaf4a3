"""Requests leave no faster than a service allows, per minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from deepeyes_env.search.ledger import next_turn


class Pace:
    """Spaces requests so that their amounts add up to no more than a rate, with no bursts.

    Requests leave in the order in which they came. Only the first in line has a turn, so one that is given up
    while it waits takes nothing from those behind it.
    """

    def __init__(
        self, per_minute: float | None, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Set the rate.

        Args:
            per_minute: Amount per minute; None means that nobody waits.
            sleep: Waits.
        """
        self._seconds = 60.0 / per_minute if per_minute else 0.0
        self._free = 0.0
        self._sleep = sleep
        self._line = asyncio.Lock()

    async def take(self, amount: float = 1.0) -> None:
        """Wait for the turn of a request of this amount."""
        async with self._line:
            wait, self._free = next_turn(self._free, time.monotonic(), amount * self._seconds, burst=1)
            if wait <= 0:
                return
            try:
                await self._sleep(wait)
            except BaseException:
                self.correct(-amount)
                raise

    def correct(self, more: float) -> None:
        """Put right what a request took: `more` than it said it would, or less if negative."""
        self._free += more * self._seconds
