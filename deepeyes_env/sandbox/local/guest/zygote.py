"""The process that is isolated once, imports the libraries once, and forks one guest per session."""

from __future__ import annotations

import gc
import importlib
import io
import json
import mmap
import os
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from . import wire
from .jail import CHANNEL, GuestLimits, Zygote, isolate, lock_down
from .layers import Layer
from .libc import LayerError
from .tree import Tree
from .worker import Interpreter, reseed, serve

READY, LAYER, FAILED = b"R", b"L", b"F"
"""First byte of a message to the host: done, a wall is missing, anything else went wrong."""

_MESSAGE_BYTES = 1 << 18


def main(control: int) -> NoReturn:
    """Serve the host on the inherited socket `control` until it hangs up."""
    host = socket.socket(fileno=control)
    try:
        status = _run(host)
    except LayerError as error:
        status = _report(host, LAYER, "\0".join(error.args))
    except Exception as error:
        status = _report(host, FAILED, f"{type(error).__name__}: {error}")
    os._exit(status)


def _run(host: socket.socket) -> int:
    config = json.loads(host.recv(_MESSAGE_BYTES))
    limits, bounds = GuestLimits(**config["limits"]), wire.Bounds(**config["bounds"])
    walls = frozenset(map(Layer, config["walls"]))
    isolated = isolate(Tree(**config["tree"]), walls, limits, config["directory"])
    if not isinstance(isolated, Zygote):
        host.close()
        return isolated.wait()
    _import_libraries(config["site"], config["modules"])
    # The kernel reaps the guests; their ends are the host's business.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _wait_until_single_threaded(isolated)
    _silence_standard_streams()
    gc.collect()
    gc.freeze()
    host.send(READY)
    while True:
        message, handles, _, _ = socket.recv_fds(host, _MESSAGE_BYTES, 2)
        if not message:
            return 0
        _open_session(host, isolated, message, handles, limits, bounds)
        for handle in handles:
            os.close(handle)


def _open_session(
    host: socket.socket,
    isolated: Zygote,
    message: bytes,
    handles: list[int],
    limits: GuestLimits,
    bounds: wire.Bounds,
) -> None:
    try:
        pid = isolated.fork()
        if not pid:
            _be_a_guest(isolated, message, handles, limits, bounds)
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        _report(host, FAILED, f"no new process: {error}")
        return
    socket.send_fds(host, [READY], [pidfd])
    os.close(pidfd)


def _be_a_guest(
    isolated: Zygote, message: bytes, handles: list[int], limits: GuestLimits, bounds: wire.Bounds
) -> NoReturn:
    """Set up the forked child and run its cells; it never returns into the zygote's loop."""
    try:
        channel, pixels = handles
        seed, sizes = wire.unpack_open(message)
        images = _read_images(pixels, sizes)
        try:
            lock_down(isolated, channel, limits)
            failure = b""
        except LayerError as error:
            failure = "\0".join(error.args).encode()
        os.write(CHANNEL, wire.SETUP.pack(bool(failure), len(failure)) + failure)
        if not failure:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            reseed(seed)
            serve(CHANNEL, Interpreter(images, bounds, limits))
    finally:
        os._exit(1)


def _read_images(handle: int, sizes: list[tuple[int, int]]) -> list[Any]:
    from PIL import Image

    if not sizes:
        return []
    images, offset = [], 0
    with mmap.mmap(handle, 0, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ) as mapped:
        pixels = memoryview(mapped)
        for size in sizes:
            length = size[0] * size[1] * wire.CHANNELS
            images.append(Image.frombytes("RGB", size, pixels[offset : offset + length]))
            offset += length
        pixels.release()
    return images


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
        if isolated.memory()[2] == 1:
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
