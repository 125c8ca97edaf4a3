"""One session as the host sees it: cells with a deadline, and a new start after a violent end."""

from __future__ import annotations

import fcntl
import math
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence

from PIL import Image

from deepeyes_env.sandbox.base import CellResult, CellStatus, SandboxError, SandboxLimits
from deepeyes_env.sandbox.local.guest import wire
from deepeyes_env.sandbox.local.process import Guest, ZygoteProcess, close_guest, signal_guest

INTERRUPT_GRACE_SECONDS = 2.0
"""Time that a cell has to end after its interrupt, and its reply to arrive, before it is killed."""

TIMEOUT_TEXT = "TimeOutError: code execution timed out"
"""What a cell's stderr says at the deadline (reference section 1.5)."""

_KILLED_TEXT = "the cell ignored the interrupt, so its process was killed; all variables are lost"
_CRASHED_TEXT = (
    "the process died (out of memory, a crash in native code, or os._exit); all variables are lost"
)
_REOPENED_TEXT = "[new process: the variables of earlier cells are gone, image_1 .. are loaded again]\n"


class _Died(Exception):
    """The guest hung up or broke the protocol."""


class LocalSession:
    """A session of a `LocalSandbox`; see the `Session` protocol."""

    def __init__(
        self,
        zygote: ZygoteProcess,
        images: Sequence[Image.Image],
        seed: int,
        limits: SandboxLimits,
        slots: threading.Semaphore,
        on_close: Callable[[LocalSession], None],
    ) -> None:
        """Fork the session's process; called by `LocalSandbox.open`."""
        self._zygote = zygote
        self._seed = seed
        self._limits = limits
        self._bounds = wire.Bounds(limits.output_chars, limits.images_per_cell, limits.pixels_per_image)
        self._slots = slots
        self._on_close = on_close
        self._lock = threading.Lock()
        self._cell = 0
        self._closed = False
        self._owner = os.getpid()
        self._sizes = [image.size for image in images]
        self._pixels = _share(images)
        self._guest: Guest | None = None
        try:
            self._guest = self._fork()
        except BaseException:
            os.close(self._pixels)
            raise

    def run(self, code: str, seconds: float | None = None) -> CellResult:
        """Run one cell; see `Session.run`.

        A cell waits for a free run slot first; its time starts when it has one, so that an overloaded machine
        is not charged to the policy.

        Args:
            code: The cell.
            seconds: Wall time of this cell, at most the session's `cell_seconds`, which is the default.
        """
        with self._lock:
            if self._closed or self._owner != os.getpid():
                raise SandboxError("this session is closed, or was opened in another process")
            reopened = self._guest is None
            if self._guest is None:
                self._guest = self._fork()
            with self._slots:
                result = self._run(self._guest, code, min(seconds or math.inf, self._limits.cell_seconds))
        if not reopened:
            return result
        return CellResult(
            result.status, result.stdout, _REOPENED_TEXT + result.stderr, result.images, result.truncated
        )

    def close(self) -> None:
        """End the session; see `Session.close`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._end_guest()
            os.close(self._pixels)
        self._on_close(self)

    def forget(self) -> None:
        """In a forked copy of the host: drop the descriptors, and leave the guest alone."""
        if self._closed:
            return
        self._closed = True
        os.close(self._pixels)
        if self._guest is not None:
            self._guest.channel.close()
            os.close(self._guest.pidfd)

    def _fork(self) -> Guest:
        self._cell = 0
        try:
            return self._zygote.fork(self._seed, self._sizes, self._pixels)
        except OSError as error:  # most likely too many open files
            raise SandboxError(f"no new process: {error}; `ulimit -n` may be too low") from error

    def _run(self, guest: Guest, code: str, seconds: float) -> CellResult:
        token = os.urandom(16)
        deadline = _Deadline(seconds, lambda: signal_guest(guest, signal.SIGINT))
        try:
            self._send(guest, token, code, deadline)
            reply = wire.read_reply(_reader(guest.channel, deadline), self._cell, token, self._bounds)
        except TimeoutError:
            self._end_guest()
            return CellResult(CellStatus.KILLED, stderr=f"{TIMEOUT_TEXT}\n[{_KILLED_TEXT}]")
        except (_Died, wire.WireError, OSError) as error:
            self._end_guest()
            if not self._zygote.alive:
                raise SandboxError("the sandbox process died and took this session with it") from error
            return CellResult(CellStatus.CRASHED, stderr=f"[{_CRASHED_TEXT}]")
        except BaseException:
            # Ctrl-C in the host: the reply to this cell must not be taken for the next one's.
            self._end_guest()
            raise
        self._cell += 1
        signal_guest(guest, signal.SIGSTOP)  # threads that outlive their cell burn no time
        return _result(reply, interrupted=deadline.interrupted)

    def _send(self, guest: Guest, token: bytes, code: str, deadline: _Deadline) -> None:
        source = code.encode("utf-8", "replace")
        if _is_ready(guest.channel, select.POLLIN, 0.0):
            raise _Died  # it wrote, or hung up, while it was not its turn
        signal_guest(guest, signal.SIGCONT)
        frame = memoryview(wire.CELL.pack(wire.CELL_MAGIC, self._cell, token, len(source)) + source)
        while frame:
            deadline.wait(guest.channel, select.POLLOUT)
            frame = frame[guest.channel.send(frame, socket.MSG_NOSIGNAL) :]

    def _end_guest(self) -> None:
        if self._guest is not None:
            close_guest(self._guest)
            self._guest = None


class _Deadline:
    """The time of one cell: an interrupt at its end, and no more patience after the grace."""

    def __init__(self, seconds: float, interrupt: Callable[[], None]) -> None:
        self._next = time.monotonic() + seconds
        self._interrupt = interrupt
        self.interrupted = False

    def wait(self, channel: socket.socket, event: int) -> None:
        """Wait until the socket is ready.

        Raises:
            TimeoutError: The grace is over.
        """
        while True:
            # The clock comes first: a guest that drips bytes is always ready.
            remaining = self._next - time.monotonic()
            if remaining > 0:
                if _is_ready(channel, event, remaining):
                    return
                continue
            if self.interrupted:
                raise TimeoutError
            self.interrupted = True
            self._next = time.monotonic() + INTERRUPT_GRACE_SECONDS
            self._interrupt()


def _reader(channel: socket.socket, deadline: _Deadline) -> wire.Receive:
    """A source of exactly as many bytes as asked for, within the cell's deadline as a whole."""

    def receive(length: int) -> bytearray:
        data = bytearray(length)
        view = memoryview(data)
        while view:
            deadline.wait(channel, select.POLLIN)
            count = channel.recv_into(view, 0)
            if not count:
                raise _Died
            view = view[count:]
        return data

    return receive


def _is_ready(channel: socket.socket, event: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(channel, event)
    return bool(poll.poll(seconds * 1_000))


def _result(reply: wire.Reply, *, interrupted: bool) -> CellResult:
    images = tuple(Image.frombytes("RGB", (raw.width, raw.height), raw.pixels) for raw in reply.images)
    if interrupted:
        separator = "\n" if reply.stderr and not reply.stderr.endswith("\n") else ""
        stderr = f"{reply.stderr}{separator}{TIMEOUT_TEXT}"
        return CellResult(CellStatus.TIMEOUT, reply.stdout, stderr, images, reply.truncated)
    status = CellStatus.OK if reply.status == wire.OK else CellStatus.EXCEPTION
    return CellResult(status, reply.stdout, reply.stderr, images, reply.truncated)


def _share(images: Sequence[Image.Image]) -> int:
    """The pixels of all images in one sealed anonymous file, so that a new start needs no copy of them."""
    handle = os.memfd_create("images", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        for image in images:
            view = memoryview((image if image.mode == "RGB" else image.convert("RGB")).tobytes())
            while view:
                view = view[os.write(handle, view) :]
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(handle, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        os.close(handle)
        raise
    return handle
