"""Waiting no longer than agreed, also for code that has no time limit of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


class Deadline:
    """A moment after which nothing is waited for."""

    def __init__(self, seconds: float) -> None:
        """Start the clock.

        Args:
            seconds: Wall time from now.
        """
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then.

        Raises:
            TimeoutError: There are none.
        """
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """Do `work` in a thread of its own and wait for it, but not for longer than `seconds`.

    Name resolution and other people's HTTP clients stop for no clock, and no thread can be stopped from
    outside. One that is given up goes on until its own limits end it; it keeps no process alive.

    Returns:
        What `work` returns.

    Raises:
        TimeoutError: It is not done in time.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # the waiting thread raises it
            outcome.set_exception(error)

    threading.Thread(target=run, name="within", daemon=True).start()
    return outcome.result(seconds)
