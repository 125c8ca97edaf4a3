"""What a run has used up: requests, money, and each service's next free moment."""

from __future__ import annotations

import time
from typing import Protocol

from deepeyes_env.stripes import Stripes


class Ledger(Protocol):
    """The count that `Budgeted` and `RateLimited` share. Safe to call from many threads."""

    def book(self, queries: int | None, dollars: float | None) -> bool:
        """Count one request, unless as many requests or dollars as given are used up (None: no limit)."""
        ...

    def pay(self, dollars: float) -> None:
        """Add the cost of a request, in US dollars."""
        ...

    def spent(self) -> tuple[int, float]:
        """Requests and US dollars so far."""
        ...

    def take_turn(self, name: str, interval: float, burst: int, patience: float) -> float:
        """Take the next free moment of the service `name`, or none if it is too far off.

        Args:
            name: Name of the service.
            interval: Seconds between requests.
            burst: Requests that may follow each other at once after a rest.
            patience: Longest wait in seconds.

        Returns:
            Seconds to wait; above `patience` no turn was taken.
        """
        ...


class MemoryLedger:
    """A ledger of one process."""

    def __init__(self) -> None:
        """Nothing is used up."""
        self._locks = Stripes()
        self._queries, self._dollars = 0, 0.0
        self._free: dict[str, float] = {}

    def book(self, queries: int | None, dollars: float | None) -> bool:
        """Count one request, unless a limit is reached."""
        with self._locks.of(0):
            granted = within(self._queries, queries) and within(self._dollars, dollars)
            self._queries += granted
            return granted

    def pay(self, dollars: float) -> None:
        """Add the cost of a request."""
        with self._locks.of(0):
            self._dollars += dollars

    def spent(self) -> tuple[int, float]:
        """Requests and US dollars so far."""
        return self._queries, self._dollars

    def take_turn(self, name: str, interval: float, burst: int, patience: float) -> float:
        """Take the next free moment of the service `name`, or none if it is too far off."""
        with self._locks.of(0):
            wait, free = next_turn(self._free.get(name, 0.0), time.monotonic(), interval, burst)
            if wait <= patience:
                self._free[name] = free
            return wait


def within(used: float, limit: float | None) -> bool:
    """Whether there is something left of a limit."""
    return limit is None or used < limit


def next_turn(free: float, now: float, interval: float, burst: int) -> tuple[float, float]:
    """A token bucket as one number (the generic cell rate algorithm, ITU-T I.371).

    Args:
        free: When the bucket is full again, as returned by the last turn.
        now: The present, on the same clock.
        interval: Seconds per token.
        burst: Tokens in a full bucket.

    Returns:
        Seconds until the turn, and the new `free`.
    """
    free = max(free, now)
    return max(0.0, free - now - (burst - 1) * interval), free + interval
