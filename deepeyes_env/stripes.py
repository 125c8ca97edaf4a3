"""Locks by key: who wants what another thread is making waits for it, and nobody waits for anything else."""

from __future__ import annotations

import os
import threading
import weakref

_COUNT = 64


class Stripes:
    """A fixed number of locks. A forked copy of the process has new ones: nobody would release the old."""

    def __init__(self) -> None:
        """All locks are free."""
        self._locks = _new_locks()
        _ALL.add(self)

    def of(self, key: int) -> threading.Lock:
        """The lock of a key, which other keys may share."""
        # Of a tuple, because an int is its own hash, and addresses are multiples of 16 or 32.
        return self._locks[hash((key,)) % _COUNT]

    def renew(self) -> None:
        """Free all locks."""
        self._locks = _new_locks()


def _new_locks() -> tuple[threading.Lock, ...]:
    return tuple(threading.Lock() for _ in range(_COUNT))


_ALL: weakref.WeakSet[Stripes] = weakref.WeakSet()


def _renew_all() -> None:
    for stripes in list(_ALL):
        stripes.renew()


os.register_at_fork(after_in_child=_renew_all)
