"""Run slots: how many cells run at the same time, and whose turn is next."""

from __future__ import annotations

import threading
from collections import deque


class Slots:
    """A semaphore that serves its waiters in order; Python's own lets newcomers overtake them."""

    def __init__(self, count: int) -> None:
        """Offer `count` slots."""
        self.count = count
        self._free = count
        self._waiters: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._waiters)

    @property
    def taken(self) -> int:
        """How many slots are taken."""
        return self.count - self._free

    def __enter__(self) -> None:
        """Wait for a slot."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiters.append(turn)
        try:
            turn.acquire()
        except BaseException:  # Ctrl-C
            with self._lock:
                if turn in self._waiters:
                    self._waiters.remove(turn)
                    raise
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        """Give the slot to the first who waits."""
        with self._lock:
            if self._waiters:
                self._waiters.popleft().release()
            else:
                self._free += 1
