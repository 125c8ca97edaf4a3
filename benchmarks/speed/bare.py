"""The contenders without walls: a bare fork, a process per cell, a round trip over a socketpair."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from PIL import Image

from benchmarks.speed import floor
from benchmarks.speed.contender import MODULES, Answer, open_picture
from deepeyes_env.sandbox.local.process import ENVIRONMENT


class BareFork:
    """Forked children of a process that has imported what our zygote has, in the same environment."""

    name = "bare fork"
    burst = 20
    cells = 200
    reads_files = True

    def __init__(self) -> None:
        """Start the process that forks."""
        self._control, self._process = _start("fork", socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        if self._control.recv(1) != b"R":
            raise RuntimeError("the benchmark's bare process did not start")

    def open(self, picture: Path | None = None) -> BareSession:
        """Fork a child."""
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            socket.send_fds(self._control, [b"F"], [theirs.fileno()])
        session = BareSession(ours)
        if picture is not None:
            session.run(open_picture(picture))
        return session

    def close(self) -> None:
        """End the process; its children end with their sockets."""
        self._control.close()
        self._process.wait()


class BareSession:
    """A child of the bare fork."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def run(self, code: str) -> Answer:
        """Run one cell."""
        floor.send(self._channel, code)
        return _answer(floor.receive(self._channel))

    def close(self) -> None:
        """Hang up, which ends the child."""
        self._channel.close()


class FreshProcess:
    """A new Python process for each cell; it runs the session's earlier cells again, for it has no memory."""

    name = "process per cell"
    burst = 1
    cells = 1
    reads_files = True

    def open(self, picture: Path | None = None) -> FreshSession:
        """Nothing happens before the first cell."""
        return FreshSession([] if picture is None else [open_picture(picture)])

    def close(self) -> None:
        """There is nothing to free."""


class FreshSession:
    """The cells so far."""

    def __init__(self, cells: list[str]) -> None:
        self._cells = cells

    def run(self, code: str) -> Answer:
        """Run all cells in a new process."""
        self._cells.append(code)
        channel, process = _start("once", socket.SOCK_STREAM)
        with channel:
            floor.send(channel, self._cells)
            answer = _answer(floor.receive(channel))
        process.wait()
        return answer

    def close(self) -> None:
        """There is nothing to free."""


class SocketEcho:
    """Another Python process that sends back what it gets."""

    name = "socketpair"

    def __init__(self) -> None:
        self._channel, self._process = _start("echo", socket.SOCK_STREAM)
        self._message = bytes(floor.ECHO_BYTES)

    def round_trip(self) -> float:
        """Seconds until the answer is there."""
        start = time.perf_counter()
        self._channel.send(self._message)
        self._channel.recv(floor.ECHO_BYTES)
        return time.perf_counter() - start

    def close(self) -> None:
        """End the process."""
        self._channel.close()
        self._process.wait()


def _start(program: str, kind: socket.SocketKind) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, floor.__file__, program, str(theirs.fileno()), *MODULES],
            pass_fds=[theirs.fileno()],
            env=ENVIRONMENT,
            # The scheduler shares the cores between sessions (`sched(7)`, autogroup); our zygote has its own.
            start_new_session=True,
        )
    return ours, process


def _answer(answer: floor.Answer) -> Answer:
    text, images = answer
    return Answer(text, tuple(Image.frombytes("RGB", size, pixels) for size, pixels in images))
