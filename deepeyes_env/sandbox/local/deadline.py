"""The time of one cell, by the wall's clock and the processor's: an interrupt, then no more patience."""

from __future__ import annotations

import functools
import os
import select
import time
from collections.abc import Callable

INTERRUPT_GRACE_SECONDS = 2.0
"""Time that a cell has to end after its interrupt, and its reply to arrive, before it is killed."""

TRANSFER_BYTES_PER_SECOND = 10_000_000
"""A reply that comes faster is not late. A hundredth of an idle machine's speed: on a loaded one, guest and
host wait for a processor after each 200 kB."""

_LEAST_WAIT_SECONDS = 0.002
"""Processor time is read no more often: about as long as an interrupt takes to be heard."""


@functools.cache
def _cores() -> int:
    return len(os.sched_getaffinity(0))


class Deadline:
    """Watches one cell.

    Attributes:
        interrupted: Which limit the cell met: the name of a field of `SandboxLimits`; None so far.
    """

    def __init__(self, seconds: float, cpu_seconds: float, clock: int, interrupt: Callable[[], None]) -> None:
        """Start the clocks.

        Args:
            seconds: Wall time of the cell.
            cpu_seconds: Its processor time.
            clock: The id of the guest's processor-time clock.
            interrupt: Interrupts the cell.
        """
        self.interrupted: str | None = None
        self._interrupt = interrupt
        self._clock = clock
        self._end = time.monotonic() + seconds
        self._cpu_end = time.clock_gettime(clock) + cpu_seconds
        # All cores together need at least this long.
        self._look = self._end - seconds + cpu_seconds / _cores()

    def wait(self, poll: select.poll) -> None:
        """Wait until something is ready.

        Raises:
            TimeoutError: The grace is over.
        """
        while True:
            # The clock comes first: a guest that drips bytes is always ready.
            now = time.monotonic()
            if now < self._end and (now < self._look or self._has_processor_time(now)):
                if poll.poll((min(self._end, self._look) - now) * 1_000):
                    return
                continue
            if self.interrupted:
                raise TimeoutError
            self.interrupted = "cell_seconds" if now >= self._end else "cell_cpu_seconds"
            self._end = now + INTERRUPT_GRACE_SECONDS
            self._look = self._end
            self._interrupt()

    def allow_transfer(self) -> None:
        """The cell has ended: its reply may take as long as the grace, beyond what the cell had."""
        self._end = max(self._end, time.monotonic() + INTERRUPT_GRACE_SECONDS)
        self._look = self._end

    def allow_rest(self, received: int) -> None:
        """A part of the reply is here: the rest may take as much longer as this part may have taken.

        Args:
            received: Its length in bytes. What is only announced gives no time.
        """
        self._end += received / TRANSFER_BYTES_PER_SECOND
        self._look = self._end

    def _has_processor_time(self, now: float) -> bool:
        try:
            left = self._cpu_end - time.clock_gettime(self._clock)
        except OSError:  # it is dead, which its socket tells as well
            left = float("inf")
        self._look = now + max(left / _cores(), _LEAST_WAIT_SECONDS)
        return left > 0
