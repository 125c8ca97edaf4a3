"""Asynchronous streams for callers without an event loop: one private loop per thread, kept between calls.

Engines and HTTP clients live in the loop that first used them, so every call of a thread gets the same one.
It runs only while somebody waits for it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class _Local(threading.local):
    def __init__(self) -> None:
        self.runner = asyncio.Runner()


_LOCAL = _Local()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Wait for a coroutine; Ctrl-C cancels it.

    Raises:
        RuntimeError: This thread runs an event loop already; await the coroutine there.
    """
    _require_no_loop()
    # Not `Runner.run`, which takes Ctrl-C for itself: trainers stop at the end of a step.
    loop = _LOCAL.runner.get_loop()
    task = loop.create_task(work)
    try:
        return loop.run_until_complete(task)
    except (KeyboardInterrupt, SystemExit):
        # Raised in another coroutine just when this one was done: its stop is still due, and would hit the
        # next call.
        loop.stop()
        loop.run_forever()
        raise
    finally:
        if not task.done():
            # Ctrl-C: let the work free what it holds; a second one ends this too.
            task.cancel()
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(task)


def iterate(stream: AsyncIterator[T]) -> Generator[T, None, None]:
    """Take the items of an asynchronous stream one by one; closing the generator closes the stream.

    A consumer that may fail closes it itself: an exception keeps the frames that it came through, and with
    them a generator in the middle of a loop, whose stream would go on with the thread's next call.

    Raises:
        RuntimeError: This thread runs an event loop already; use `async for` there.
    """
    _require_no_loop()
    end = object()
    try:
        while (item := run(_next(stream, end))) is not end:
            yield item  # type: ignore[misc]
    finally:
        run(stream.aclose())  # type: ignore[attr-defined]


async def _next(stream: AsyncIterator[T], end: object) -> T | object:
    return await anext(stream, end)


def _require_no_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "an event loop runs in this thread already (a notebook?): await what is asynchronous there, "
        "`async for trajectory in agents.rollout.stream(...)`"
    )
