"""The process that is isolated once, imports the libraries once, and forks the guests.

No session's data ever pass through it: a guest gets its images, seed and cells on a socket of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import io
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

from . import huge, wire
from .jail import CHANNEL, Zygote, isolate, lock_down
from .layers import Layer
from .libc import LayerError
from .limits import GuestLimits
from .mapped import let_pixels_be_written, map_image
from .tree import Tree
from .worker import Interpreter, serve, serve_cell

READY, LAYER, FAILED = b"R", b"L", b"F"
"""First byte of a message to the host: done, a wall is missing, anything else went wrong."""

_REHEARSED = b"print(6 * 7)\n6 * 7"
_REHEARSALS = 16
"""Python adapts a function's code to its use within the first eight calls (3.11, "specializing")."""
_MESSAGE_BYTES = 1 << 18


def main(control: int) -> NoReturn:
    """Serve the host on the inherited socket `control` until it hangs up."""
    host = socket.socket(fileno=_reserve_channel(control))
    try:
        status = _run(host)
    except LayerError as error:
        status = _report(host, LAYER, "\0".join(error.args))
    except Exception as error:
        status = _report(host, FAILED, f"{type(error).__name__}: {error}")
    os._exit(status)


def _reserve_channel(control: int) -> int:
    """Keep the descriptor that guests use free of anything that they need while their walls go up."""
    moved = fcntl.fcntl(control, fcntl.F_DUPFD_CLOEXEC, CHANNEL + 1)
    os.close(control)
    null = os.open("/dev/null", os.O_RDWR)
    if null != CHANNEL:
        os.dup2(null, CHANNEL, inheritable=False)
        os.close(null)
    return moved


def _run(host: socket.socket) -> int:
    config = json.loads(host.recv(_MESSAGE_BYTES))
    limits, bounds = GuestLimits(**config["limits"]), wire.Bounds(**config["bounds"])
    walls = frozenset(map(Layer, config["walls"]))
    isolated = isolate(Tree(**config["tree"]), walls, limits, config["directory"])
    if not isinstance(isolated, Zygote):
        host.close()
        return isolated.wait()
    huge.reserve()
    _import_libraries(config["site"], config["modules"])
    interpreter = Interpreter(bounds, limits)
    let_pixels_be_written()
    # The kernel reaps the guests; their ends are the host's business.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _wait_until_single_threaded(isolated)
    _silence_standard_streams()
    for _ in range(_REHEARSALS):
        _rehearse(interpreter)
    gc.collect()
    gc.freeze()
    huge.collapse(isolated.maps())
    isolated.prepare(limits)
    host.send(READY)
    while True:
        message, handles, _, _ = socket.recv_fds(host, 1, 1)
        if not message:
            return 0
        if message == wire.PING:
            host.send(READY)
        for handle in handles:
            _open_session(host, isolated, message, handle, limits, interpreter)
            os.close(handle)


def _open_session(
    host: socket.socket,
    isolated: Zygote,
    message: bytes,
    channel: int,
    limits: GuestLimits,
    interpreter: Interpreter,
) -> None:
    try:
        with _dead_children_kept():
            pid = isolated.fork()
            if not pid:
                _be_a_guest(isolated, channel, limits, interpreter, ahead=message == wire.AHEAD)
            pidfd = os.pidfd_open(pid)
    except OSError as error:
        _report(host, FAILED, f"no new process: {error}")
        return
    socket.send_fds(host, [READY], [pidfd])
    os.close(pidfd)


@contextlib.contextmanager
def _dead_children_kept() -> Iterator[None]:
    """Keep a child that dies at once, as where memory is short, until there is a handle of it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _be_a_guest(
    isolated: Zygote, channel: int, limits: GuestLimits, interpreter: Interpreter, *, ahead: bool
) -> NoReturn:
    """Set up the forked child and run its cells; it never returns into the zygote's loop."""
    try:
        try:
            lock_down(isolated, channel, limits)
        except LayerError as error:
            _tell(CHANNEL, "\0".join(error.args))
            os.read(CHANNEL, 1)  # the host has a handle of this process, and hangs up
        else:
            if ahead:
                _rehearse(interpreter)
            _tell(CHANNEL, "")
            _take_episode(CHANNEL, interpreter)
            serve(CHANNEL, interpreter)
    finally:
        os._exit(1)


def _rehearse(interpreter: Interpreter) -> None:
    """Go through an episode of one cell, which leaves nothing behind: the first costs several times more."""
    host, guest = socket.socketpair()
    with host, guest:
        cell = wire.CELL.pack(wire.CELL_MAGIC, 0, bytes(16), len(_REHEARSED)) + _REHEARSED
        host.sendall(wire.pack_start(0, []) + cell)
        _take_episode(guest.fileno(), interpreter)
        serve_cell(guest.fileno(), interpreter)
    interpreter.forget()


def _take_episode(channel: int, interpreter: Interpreter) -> None:
    """Wait for the images and the seed, which a guest that was forked ahead gets much later."""
    with socket.socket(fileno=os.dup(channel)) as connection:
        # Descriptors come with the first byte. The cell behind this message stays for `serve`.
        head, handles, _, _ = socket.recv_fds(connection, wire.START.size, wire.MAX_IMAGES)
        if not head:
            os._exit(0)
        seed, count = wire.START.unpack(head)
        length = wire.SIZE.size * count
        sizes = wire.unpack_sizes(connection.recv(length, socket.MSG_WAITALL) if length else b"")
    try:
        interpreter.begin(seed, [map_image(*image) for image in zip(handles, sizes, strict=True)])
    except (OSError, ValueError, MemoryError) as error:
        _tell(channel, f"{type(error).__name__}: {error}")
        os._exit(1)
    for handle in handles:
        os.close(handle)
    # The next collection is due after as many objects in every guest, however many its zygote forked before.
    gc.freeze()
    _tell(channel, "")


def _tell(channel: int, failure: str) -> None:
    text = failure.encode("utf-8", "replace")
    os.write(channel, wire.READY.pack(bool(text), len(text)) + text)


def _import_libraries(site: list[str], modules: list[str]) -> None:
    """Import what guests use, and use it once: the first plot costs a fresh process some 150 ms."""
    sys.path += site
    sys.argv, sys.orig_argv = ["sandbox"], ["sandbox"]
    for name in modules:
        importlib.import_module(name)
    from matplotlib import pyplot

    pyplot.figure(figsize=(1, 1))
    pyplot.title("0")
    pyplot.savefig(io.BytesIO(), format="raw", bbox_inches="tight")
    pyplot.close("all")


def _wait_until_single_threaded(isolated: Zygote) -> None:
    """Forking with threads copies locks that nobody will release; matplotlib's font cache starts a timer."""
    for _ in range(200):
        if isolated.threads == 1:
            return
        time.sleep(0.05)
    raise RuntimeError("a library keeps a thread running, which makes forking unsafe")


def _silence_standard_streams() -> None:
    null = os.open("/dev/null", os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.close(null)


def _report(host: socket.socket, kind: bytes, text: str) -> int:
    host.send(kind + text.encode("utf-8", "replace")[: _MESSAGE_BYTES // 4])
    return 1
