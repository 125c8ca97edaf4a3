"""Of many callers that want the same thing at the same time one makes it, and all get it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Generic, TypeVar

from deepeyes_env.stripes import Stripes

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """What is being made, by key. Nobody waits for another key."""

    def __init__(self) -> None:
        """Nothing is being made."""
        self._locks = Stripes()
        self._flights: dict[tuple[int, str], Future[T]] = {}

    def do(self, key: str, make: Callable[[], T]) -> tuple[T, bool]:
        """Make a thing, or wait for the caller who is making it.

        Args:
            key: Names the thing.
            make: Makes it.

        Returns:
            The thing, and whether this call made it.

        Raises:
            Exception: Whatever `make` raises, for all who wait. An interruption is its caller's alone: one of
                those who wait goes on.
        """
        # A forked process never sees the end of its parent's flights.
        name = os.getpid(), key
        while True:
            own: Future[T] = Future()
            try:
                with self._locks.of(0):
                    flight = self._flights.setdefault(name, own)
                if flight is own:
                    return _make_into(own, make), True
            finally:
                # Also where an interruption comes between the lines: nobody may wait for ever.
                with self._locks.of(0):
                    if self._flights.get(name) is own:
                        del self._flights[name]
                own.cancel()
            try:
                return flight.result(), False
            except CancelledError:
                continue


def _make_into(flight: Future[T], make: Callable[[], T]) -> T:
    """Make a thing and tell those who wait; an interruption is told to nobody."""
    try:
        thing = make()
    except Exception as error:
        flight.set_exception(error)
        raise
    flight.set_result(thing)
    return thing
