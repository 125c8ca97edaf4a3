"""The time that a reply has to come."""

import os
import select
import time
from collections.abc import Iterator

import pytest

from deepeyes_env.sandbox.local import deadline as deadline_module
from deepeyes_env.sandbox.local.deadline import TRANSFER_BYTES_PER_SECOND, Deadline

GRACE = 0.1


@pytest.fixture
def silence() -> Iterator[select.poll]:
    """Something that never becomes ready."""
    reading, writing = os.pipe()
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    yield poll
    os.close(reading)
    os.close(writing)


def test_a_reply_may_take_as_much_longer_as_it_is_long(
    silence: select.poll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline_module, "INTERRUPT_GRACE_SECONDS", GRACE)
    interrupts: list[float] = []
    deadline = Deadline(0.01, 9, time.CLOCK_THREAD_CPUTIME_ID, lambda: interrupts.append(time.monotonic()))
    started = time.monotonic()
    deadline.allow_transfer()
    deadline.allow_rest(TRANSFER_BYTES_PER_SECOND // 2)
    with pytest.raises(TimeoutError):
        deadline.wait(silence)
    (interrupted,) = interrupts
    assert interrupted - started >= GRACE + 0.5
    assert deadline.interrupted == "cell_seconds"
