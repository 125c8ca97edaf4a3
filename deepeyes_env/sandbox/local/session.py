"""One session as the host sees it: cells with a deadline, and a new start after a violent end."""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence

from PIL import Image

from deepeyes_env.images import freeze
from deepeyes_env.sandbox.base import (
    CRASHED_TEXT,
    TIMEOUT_TEXT,
    CellResult,
    CellStatus,
    SandboxError,
    SandboxLimits,
)
from deepeyes_env.sandbox.local.deadline import Deadline
from deepeyes_env.sandbox.local.guest import wire
from deepeyes_env.sandbox.local.guest.limits import IMAGES_ADDRESS_SPACE
from deepeyes_env.sandbox.local.pixels import SharedImage, share
from deepeyes_env.sandbox.local.pool import Pool
from deepeyes_env.sandbox.local.process import (
    FORK_SECONDS,
    Guest,
    bounds_of,
    close_guest,
    drop_guest,
    signal_guest,
    wait_until_ready,
)
from deepeyes_env.sandbox.local.slots import Slots

_KILLED_TEXT = "the cell ignored the interrupt, so its process was killed; all variables are lost"

_REPLY_BYTES = 1 << 16
"""Read at once, which is all of nearly every reply without images."""

_LOOK_AGAIN = struct.pack("@ll", 0, 50_000)
"""Time (`struct timeval`) that the kernel waits for the rest of a piece before the deadline is asked."""


class _Died(Exception):
    """The guest hung up or broke the protocol."""


class LocalSession:
    """A session of a `LocalSandbox`; see the `Session` protocol."""

    def __init__(
        self,
        pool: Pool,
        images: Sequence[Image.Image],
        seed: int,
        limits: SandboxLimits,
        slots: Slots,
        on_idle: Callable[[LocalSession], None],
        on_close: Callable[[LocalSession], None],
    ) -> None:
        """Take a process for the session; called by `LocalSandbox.open`."""
        self._pool = pool
        self._seed = seed
        self._limits = limits
        self._bounds = bounds_of(limits)
        self._slots = slots
        self._on_idle, self._on_close = on_idle, on_close
        self._lock = threading.Lock()
        self._cell = 0
        self._closed = False
        self._owner = os.getpid()
        self._idle_since = 0.0
        self.expires = time.monotonic() + limits.session_seconds
        self._images = _shared(images)
        self._guest: _Live | None = None
        self._guest = self._start()

    def run(self, code: str, seconds: float | None = None) -> CellResult:
        """Run one cell; see `Session.run`.

        A cell waits for a free run slot first; its time starts when it has one, so that an overloaded machine
        is not charged to the policy.

        Args:
            code: The cell.
            seconds: Wall time of this cell, at most the session's `cell_seconds`, which is the default.
        """
        with self._lock:
            if time.monotonic() > self.expires:  # asked first: an old one has been closed, too
                raise SandboxError(
                    f"this session is older than session_seconds = {self._limits.session_seconds:g}"
                )
            if self._closed or self._owner != os.getpid():
                raise SandboxError("this session is closed, or was opened in another process")
            reopened = self._guest is None
            with self._slots:
                result = self._run(code, min(seconds or math.inf, self._limits.cell_seconds))
        return result.after_reopening if reopened else result

    def close(self) -> None:
        """End the session; see `Session.close`."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._end_guest()
            self._images = []
            self._on_close(self)

    def freeze_if_idle(self, since: float) -> bool:
        """Stop the process if no cell ran in it `since` then: threads that outlive their cell burn no more.

        Returns:
            Whether it is stopped, or gone.
        """
        if self._idle_since > since or not self._lock.acquire(blocking=False):
            return False
        try:
            if self._guest is not None:
                self._guest.freeze(self._pool.kernel_kills.read())
        finally:
            self._lock.release()
        return True

    def close_if_idle(self) -> bool:
        """Close the session unless a cell runs in it.

        Returns:
            Whether it is closed.
        """
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._close()
        finally:
            self._lock.release()
        return True

    def forget(self) -> None:
        """In a forked copy of the host: drop the descriptors, and leave the guest alone."""
        if self._closed:
            return
        self._closed = True
        self._images = []
        live, self._guest = self._guest, None
        if live is not None:
            drop_guest(live.guest)

    def _start(self) -> _Live:
        self._cell = 0
        return self._live(self._pool.take())

    def _live(self, guest: Guest) -> _Live:
        return _Live(guest, self._seed, self._images, self._pool.kernel_kills.read())

    def _run(self, code: str, seconds: float) -> CellResult:
        live = self._guest = self._guest or self._start()
        token = os.urandom(16)
        source = code.encode("utf-8", "replace")
        frame = wire.CELL.pack(wire.CELL_MAGIC, self._cell, token, len(source)) + source
        started = live.started
        try:
            if not started:
                live = self._begin(live, frame)
            deadline = Deadline(
                seconds, _cpu_seconds(self._limits), live.guest.clock, lambda: live.signal(signal.SIGINT)
            )
            if started:
                live.send(frame, deadline)
            reply, met = live.receive(self._cell, token, self._bounds, deadline)
        except TimeoutError as error:
            self._end_guest()
            self._require_own_death(live, error)
            text = _timeout_text(deadline.interrupted, self._limits)
            return CellResult(CellStatus.KILLED, stderr=f"{text}\n[{_KILLED_TEXT}]")
        except (_Died, wire.WireError, OSError) as error:
            self._end_guest()
            self._require_own_death(live, error)
            return CellResult(CellStatus.CRASHED, stderr=f"[{CRASHED_TEXT}]")
        except BaseException:
            # Ctrl-C in the host: the reply to this cell must not be taken for the next one's.
            self._end_guest()
            raise
        self._cell += 1
        self._idle_since = time.monotonic()
        self._on_idle(self)
        return _result(reply, met, self._limits)

    def _begin(self, live: _Live, frame: bytes) -> _Live:
        """Send the first cell, to another process if this one died while it waited: no cell has run in it."""
        try:
            live.begin(frame)
            return live
        except SandboxError:
            self._end_guest()
        self._guest = live = self._live(self._pool.zygote.fork())
        try:
            live.begin(frame)
        except SandboxError:
            self._end_guest()
            raise
        return live

    def _require_own_death(self, live: _Live, cause: Exception) -> None:
        try:
            self._pool.zygote.require_alive()
        except SandboxError:
            raise SandboxError("the sandbox process died and took this session with it") from cause
        if self._pool.kernel_kills.read() > live.kernel_kills:
            raise SandboxError(
                "the kernel ended this session because memory ran out (all sessions together: memory_share); "
                "open fewer at a time, or lower memory_bytes"
            ) from cause

    def _end_guest(self) -> None:
        # Forgotten first: a descriptor that is closed twice may be another session's by then.
        live, self._guest = self._guest, None
        if live is not None:
            close_guest(live.guest)


class _Live:
    """A guest that has its episode, and what is needed to talk to it.

    Attributes:
        guest: The process.
        started: Whether it has its images: it says so with the first cell, for which it is woken anyway.
        kernel_kills: The count of the kernel's kills when it was started or last frozen.
    """

    def __init__(self, guest: Guest, seed: int, images: Sequence[SharedImage], kernel_kills: int) -> None:
        self.guest = guest
        self.kernel_kills = kernel_kills
        self.started = False
        self._channel = guest.channel
        self._start = wire.pack_start(seed % 2**64, [image.size for image in images])
        self._images = images
        self._readable, self._writable = select.poll(), select.poll()
        self._tainted = self._frozen = False
        self._readable.register(self._channel, select.POLLIN)
        # Its death shows here even if a forked copy of the host holds the other end of the socket.
        self._readable.register(guest.pidfd, select.POLLIN)
        self._writable.register(guest.pidfd, select.POLLIN)
        self._writable.register(self._channel, select.POLLOUT)

    def signal(self, number: int) -> None:
        signal_guest(self.guest, number)

    def begin(self, frame: bytes) -> None:
        """Give it the episode and the first cell.

        Raises:
            SandboxError: It is dead, or cannot have the images.
        """
        self._channel.settimeout(FORK_SECONDS)
        try:
            handles = [image.handle for image in self._images]
            # Both at once: it is woken only once, and finds everything.
            sent = socket.send_fds(self._channel, [self._start, frame], handles, socket.MSG_NOSIGNAL)
            if (rest := len(self._start) + len(frame) - sent) > 0:
                self._channel.sendall(memoryview(self._start + frame)[-rest:], socket.MSG_NOSIGNAL)
        except OSError as error:
            raise SandboxError(f"the session's process died while it waited: {error}") from error
        if not self.guest.walled:
            wait_until_ready(self.guest)
        wait_until_ready(self.guest)
        self._channel.setblocking(False)
        self.started = True

    def freeze(self, kernel_kills: int) -> None:
        self._frozen = True
        self.kernel_kills = kernel_kills
        self.signal(signal.SIGSTOP)

    def send(self, frame: bytes, deadline: Deadline) -> None:
        if self._tainted or self._readable.poll(0):
            raise _Died  # it wrote, or hung up, while it was not its turn
        if self._frozen:
            self._frozen = False
            self.signal(signal.SIGCONT)
        view = memoryview(frame)
        while view:
            try:
                view = view[self._channel.send(view, socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                deadline.wait(self._writable)
                if self._is_dead():
                    raise _Died from None

    def receive(
        self, cell: int, token: bytes, bounds: wire.Bounds, deadline: Deadline
    ) -> tuple[wire.Reply, str | None]:
        """Receive the reply to a cell, within its deadline as a whole.

        Returns:
            The reply, and which limit the cell met before it began to reply.

        Raises:
            TimeoutError: The cell ignored its interrupt.
            WireError: It broke the protocol.
            _Died: It hung up.
        """
        if not self._readable.poll(0):  # else it is in time, however late this thread is
            deadline.wait(self._readable)
        met = deadline.interrupted
        first = self._channel.recv(_REPLY_BYTES)
        deadline.allow_transfer()
        position = 0

        def receive(length: int) -> bytes | bytearray:
            nonlocal position
            data = first[position : position + length]
            position += len(data)
            return data if len(data) == length else self._read_on(data, length, deadline)

        reply = wire.read_reply(receive, cell, token, bounds)
        self._tainted = position < len(first)
        return reply, met

    def _is_dead(self) -> bool:
        poll = select.poll()
        poll.register(self.guest.pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def _read_on(self, head: bytes, length: int, deadline: Deadline) -> bytearray:
        data = bytearray(length)
        data[: len(head)] = head
        view = memoryview(data)[len(head) :]
        # The kernel puts the piece together. Python would need its lock again after each 200 kB, and the
        # guest would be charged for the time that busy threads of the host let it wait for that.
        self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _LOOK_AGAIN)
        self._channel.setblocking(True)
        while view:
            deadline.wait(self._readable)
            count = self._channel.recv_into(view, 0, socket.MSG_WAITALL)
            if not count:
                raise _Died
            deadline.allow_rest(count)
            view = view[count:]
        self._channel.setblocking(False)
        return data


def _shared(images: Sequence[Image.Image]) -> list[SharedImage]:
    if len(images) > wire.MAX_IMAGES:
        raise SandboxError(f"{len(images)} images: a session takes at most {wire.MAX_IMAGES}")
    size = sum(image.width * image.height for image in images) * wire.SHARED_CHANNELS
    if size > IMAGES_ADDRESS_SPACE:
        raise SandboxError(
            f"the images have {size // wire.SHARED_CHANNELS} pixels: a session takes at most "
            f"{IMAGES_ADDRESS_SPACE // wire.SHARED_CHANNELS}; shrink them"
        )
    return [share(image) for image in images]


def _timeout_text(met: str | None, limits: SandboxLimits) -> str:
    if met != "cell_cpu_seconds":
        return TIMEOUT_TEXT
    return f"{TIMEOUT_TEXT}\n[processor time: cell_cpu_seconds = {_cpu_seconds(limits):g}]"


def _cpu_seconds(limits: SandboxLimits) -> float:
    return limits.cell_seconds if limits.cell_cpu_seconds is None else limits.cell_cpu_seconds


def _result(reply: wire.Reply, met: str | None, limits: SandboxLimits) -> CellResult:
    # Nobody paints over them, so observations may hold them without a copy.
    images = tuple(
        freeze(Image.frombytes("RGB", (raw.width, raw.height), raw.pixels)) for raw in reply.images
    )
    if met:
        separator = "\n" if reply.stderr and not reply.stderr.endswith("\n") else ""
        stderr = f"{reply.stderr}{separator}{_timeout_text(met, limits)}"
        return CellResult(CellStatus.TIMEOUT, reply.stdout, stderr, images, reply.truncated)
    status = CellStatus.OK if reply.status == wire.OK else CellStatus.EXCEPTION
    return CellResult(status, reply.stdout, reply.stderr, images, reply.truncated)
