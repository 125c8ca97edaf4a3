"""Of many callers that want the same thing at the same time one makes it, and all get it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
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
            BaseException: Whatever `make` raises, for all who wait.
        """
        # A forked process never sees the end of its parent's flights.
        name = os.getpid(), key
        with self._locks.of(0):
            flight = self._flights.get(name)
            mine = flight is None
            if flight is None:
                flight = self._flights[name] = Future()
        if mine:
            try:
                flight.set_result(make())
            except BaseException as error:
                flight.set_exception(error)
            finally:
                with self._locks.of(0):
                    del self._flights[name]
        return flight.result(), mine
