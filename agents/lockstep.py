"""A barrier between the turns of all episodes, for rollouts that must repeat to the last bit."""

from __future__ import annotations

import asyncio


class Lockstep:
    """Lets a policy see all turns that are due in one batch, in the order of the episodes' numbers.

    Floating-point sums depend on what else is in a batch. With the barrier, batches depend on what the
    episodes do and no longer on when they do it.

    Args:
        members: Drivers that take part.
    """

    def __init__(self, members: int) -> None:
        self._members = members
        self._waiting: dict[int, asyncio.Future[None]] = {}

    async def turn(self, number: int) -> None:
        """Wait until every member is here or has left.

        Args:
            number: The episode's; the lowest goes first.
        """
        loop = asyncio.get_running_loop()
        gate = self._waiting[number] = loop.create_future()
        # Later, so that the last to come waits too and does not overtake the others.
        loop.call_soon(self._release)
        await gate

    def leave(self) -> None:
        """One member will not come any more."""
        self._members -= 1
        self._release()

    def _release(self) -> None:
        if len(self._waiting) < self._members:
            return
        waiting, self._waiting = self._waiting, {}
        for number in sorted(waiting):
            if not waiting[number].done():
                waiting[number].set_result(None)
