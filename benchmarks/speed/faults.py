"""A sandbox that breaks on demand: around the real one, some cells are slow, fail, or never come back."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from PIL import Image

from deepeyes_env.sandbox.base import CellResult, Sandbox, SandboxError, Session

SLOW_SECONDS = 0.5
"""What a slow cell takes beyond its own time."""


class Fault(StrEnum):
    """What can go wrong with a cell before it runs."""

    SLOW = "slow"
    FAIL = "fail"
    HANG = "hang"


@dataclass(slots=True)
class Faults:
    """Draws which cells break, by their text, so that a repeated run breaks the same ones.

    Attributes:
        rate: Share of cells that break.
        seed: Another seed breaks others.
        counts: How often each fault happened.
    """

    rate: float
    seed: int = 0
    counts: Counter[Fault] = field(default_factory=Counter)
    _seen: Counter[str] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)

    def fate(self, code: str) -> tuple[Fault | None, bool]:
        """What is to happen before a cell, and whether only the first time.

        Of the cells that fail or hang, half do so again when their episode is begun anew.
        """
        rng = random.Random(f"{self.seed}/{code}")
        if rng.random() >= self.rate:
            return None, False
        fault = rng.choice(list(Fault))
        return fault, fault is not Fault.SLOW and rng.random() < 0.5

    def strike(self, code: str) -> None:
        """Let happen what is to happen before this cell.

        Raises:
            SandboxError: The cell failed, or hung and was let go.
        """
        self._seen[code] += 1
        fault, heals = self.fate(code)
        if fault is None or (heals and self._seen[code] > 1):
            return
        self.counts[fault] += 1
        if fault is Fault.SLOW:
            time.sleep(SLOW_SECONDS)
            return
        if fault is Fault.HANG:
            self._over.wait()
        raise SandboxError(f"injected: {fault}")

    def let_go(self) -> None:
        """End all cells that hang."""
        self._over.set()


@dataclass(frozen=True, slots=True)
class FaultySandbox:
    """A sandbox whose sessions break.

    Attributes:
        inner: The real one; stays its owner's.
        faults: Which cells break.
    """

    inner: Sandbox
    faults: Faults

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> FaultySession:
        """Open a session."""
        return FaultySession(self.inner.open(images, seed), self.faults)

    def close(self) -> None:
        """Let go of what hangs."""
        self.faults.let_go()


@dataclass(frozen=True, slots=True)
class FaultySession:
    """A session whose cells may break before they run."""

    inner: Session
    faults: Faults

    def run(self, code: str) -> CellResult:
        """Run a cell, unless it breaks."""
        self.faults.strike(code)
        return self.inner.run(code)

    def close(self) -> None:
        """Close the session."""
        self.inner.close()
