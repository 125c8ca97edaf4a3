"""Requests leave at their rate, in order, and one that is given up takes nothing from the others."""

from __future__ import annotations

import asyncio
import time

from agents.chat.pace import Pace

SECONDS = 0.1


def leave(patience: list[float | None]) -> list[tuple[int, float]]:
    """Who left and when, of requests that come in this order and wait no longer than they have patience."""

    async def run() -> list[tuple[int, float]]:
        pace, left, began = Pace(60 / SECONDS), [], time.monotonic()

        async def ask(number: int, seconds: float | None) -> None:
            try:
                async with asyncio.timeout(seconds):
                    await pace.take()
            except TimeoutError:
                return
            left.append((number, time.monotonic() - began))

        await asyncio.gather(*(ask(number, seconds) for number, seconds in enumerate(patience)))
        return left

    return asyncio.run(run())


def test_requests_leave_in_order_at_their_rate() -> None:
    left = leave([None] * 4)
    assert [number for number, _ in left] == [0, 1, 2, 3]
    assert all(SECONDS * number <= moment for number, moment in left)


def test_a_request_that_is_given_up_takes_no_turn() -> None:
    """The second is first in line when it is given up, the others behind it; the last comes right after."""
    left = leave([None, SECONDS / 2, *[SECONDS / 4] * 20, None])
    assert [number for number, _ in left] == [0, 22]
    assert SECONDS <= left[1][1] < 10 * SECONDS
