"""Bare Python processes that the sandbox is measured against: no walls, nothing of the project in them.

The benchmark starts this file as a program. `floor.py fork CONTROL MODULE ...` imports the modules and forks
a child for each socket that it gets; `floor.py once CHANNEL MODULE ...` runs the cells of one message and
ends; `floor.py echo CHANNEL` sends back what it gets. CONTROL and CHANNEL are descriptors of sockets.
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import signal
import socket
import struct
import sys
from typing import Any, NoReturn

HEADER = struct.Struct("<I")
"""Length of the message that follows. Nothing here is hostile, so the floor may use pickle."""

ECHO_BYTES = 64
"""About as long as a short cell with its header."""

Answer = tuple[str, list[tuple[tuple[int, int], bytes]]]
"""What a cell printed, and the size and RGB pixels of each image that it displayed."""

_FIRST_PLOT = """
import io
from matplotlib import pyplot
pyplot.figure(figsize=(1, 1))
pyplot.title("0")
pyplot.savefig(io.BytesIO(), format="raw", bbox_inches="tight")
pyplot.close("all")
"""


def send(channel: socket.socket, message: object) -> None:
    """Send one message."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    channel.sendall(HEADER.pack(len(data)) + data)


def receive(channel: socket.socket) -> Any:
    """Receive one message.

    Raises:
        EOFError: The other side hung up.
    """
    return pickle.loads(_read(channel, HEADER.unpack(_read(channel, HEADER.size))[0]))


class Cells:
    """Runs cells in one namespace."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._images: list[tuple[tuple[int, int], bytes]] = []
        self._names = {"print": self._print, "display": self._display}

    def run(self, code: str) -> Answer:
        """Run a cell; an exception is the benchmark's own mistake and ends the process."""
        self._text, self._images = [], []
        exec(code, self._names)
        return "\n".join(self._text), self._images

    def _print(self, *values: object) -> None:
        self._text.append(" ".join(map(str, values)))

    def _display(self, image: Any) -> None:
        self._images.append((image.size, image.convert("RGB").tobytes()))


def fork(control: socket.socket, modules: list[str]) -> NoReturn:
    """What our zygote does, without isolation: import once, then fork a child for each request."""
    _import(modules)
    exec(_FIRST_PLOT, {})
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    control.send(b"R")
    while True:
        message, handles, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            os._exit(0)
        if not os.fork():
            control.close()
            _serve(socket.socket(fileno=handles[0]))
        os.close(handles[0])


def once(channel: socket.socket, modules: list[str]) -> None:
    """Run all cells of one message in this fresh process and answer with the last one's output."""
    _import(modules)
    cells = Cells()
    send(channel, [cells.run(code) for code in receive(channel)][-1])


def echo(channel: socket.socket, _: list[str]) -> None:
    """The round trip that no sandbox can be faster than."""
    while data := channel.recv(ECHO_BYTES):
        channel.send(data)


def _serve(channel: socket.socket) -> NoReturn:
    try:
        cells = Cells()
        while True:
            send(channel, cells.run(receive(channel)))
    finally:
        os._exit(0)


def _import(modules: list[str]) -> None:
    for module in modules:
        importlib.import_module(module)


def _read(channel: socket.socket, length: int) -> bytearray:
    data = bytearray(length)
    view = memoryview(data)
    while view:
        count = channel.recv_into(view)
        if not count:
            raise EOFError
        view = view[count:]
    return data


if __name__ == "__main__":
    _PROGRAMS = {"fork": fork, "once": once, "echo": echo}
    _PROGRAMS[sys.argv[1]](socket.socket(fileno=int(sys.argv[2])), sys.argv[3:])
