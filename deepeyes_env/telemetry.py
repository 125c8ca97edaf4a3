"""What episodes cost in wall time, and what failed; not in `info`, which must be deterministic."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Telemetry:
    """Counts and wall time by kind of work.

    Attributes:
        count: How often each kind was done: `reset`, `open`, `code`, `search`, `image_search`, `grade`.
        seconds: Wall time spent on each kind, in seconds.
        failures: Why episodes ended as `infra_failed`.
    """

    count: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @contextmanager
    def measure(self, kind: str) -> Iterator[None]:
        """Add the time of the `with` block to `kind`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.count[kind] += 1
            self.seconds[kind] += time.perf_counter() - start  # type: ignore[assignment]

    def __add__(self, other: Telemetry) -> Telemetry:
        # Added from copies: another thread may be measuring, and a copy is made at once.
        count, seconds = (
            Counter(dict(one)) + Counter(dict(two))
            for one, two in ((self.count, other.count), (self.seconds, other.seconds))
        )
        return Telemetry(count, seconds, self.failures + other.failures)
