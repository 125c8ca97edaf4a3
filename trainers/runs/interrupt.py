"""Ctrl-C as a request: the trainer stops at its next safe point, with its state saved."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from deepeyes_env.errors import Portable


class Interrupted(Portable, RuntimeError):
    """Training stopped on request.

    Attributes:
        step: Steps finished.
        checkpoint: Where the state is, None when the run writes nothing.
    """

    def __init__(self, step: int, checkpoint: Path | None) -> None:
        self.step = step
        self.checkpoint = checkpoint
        where = f"saved in {checkpoint}; add --resume to continue" if checkpoint else "nothing was saved"
        super().__init__(f"stopped after step {step}: {where}")


@dataclass(slots=True)
class StopRequest:
    """Whether somebody asked to stop."""

    made: bool = False


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM inside the block into a request; a second one acts as always.

    Outside the main thread, where Python delivers no signals, the request is never made.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    watched = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in watched}

    def ask(number: int, frame: FrameType | None) -> None:
        request.made = True
        _restore(before)
        print("\nstopping at the next safe point; once more to stop at once", file=sys.stderr)

    for number in watched:
        signal.signal(number, ask)
    try:
        yield request
    finally:
        _restore(before)


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
