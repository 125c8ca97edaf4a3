"""System calls that Python 3.11 has no name for, and the error that tells which wall could not be built."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Iterator

from .layers import Layer
from .syscalls import SETUP, numbers

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

NAMESPACES = {
    Layer.MOUNT_NAMESPACE: CLONE_NEWNS,
    Layer.PID_NAMESPACE: CLONE_NEWPID,
    Layer.NETWORK_NAMESPACE: CLONE_NEWNET,
    Layer.IPC_NAMESPACE: CLONE_NEWIPC,
    Layer.UTS_NAMESPACE: CLONE_NEWUTS,
    Layer.CGROUP_NAMESPACE: CLONE_NEWCGROUP,
}
"""The zygote's, which it makes inside of a new user namespace."""

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38

Argument = int | bytes | None | ctypes.Structure | ctypes.Array


@functools.cache
def _libc() -> tuple[ctypes.CDLL, dict[str, int]]:
    """The C library and the numbers; at the first call, because the host imports this on every system."""
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    return library, numbers(SETUP)


class LayerError(RuntimeError):
    """One wall of the sandbox could not be built; `args` are the layer's name and the cause."""


@contextlib.contextmanager
def layer(name: Layer) -> Iterator[None]:
    """Name the wall that the calls inside build, so that a refusal says what is missing."""
    try:
        yield
    except OSError as error:
        raise LayerError(name, str(error)) from error


def call(name: str, *arguments: Argument) -> int:
    """Make one of the `SETUP` system calls.

    Returns:
        The kernel's return value.

    Raises:
        OSError: The kernel refused; the message names the call.
    """
    library, known = _libc()
    result = library.syscall(ctypes.c_long(known[name]), *map(_convert, arguments))
    return _checked(result, name)


def prctl(option: int, value: int) -> None:
    """`prctl(option, value)`.

    Raises:
        OSError: The kernel refused.
    """
    _checked(_libc()[0].prctl(option, ctypes.c_ulong(value), *[ctypes.c_ulong(0)] * 3), f"prctl({option})")


def _convert(argument: Argument) -> object:
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, int):
        return ctypes.c_long(argument)
    if isinstance(argument, bytes):
        return ctypes.c_char_p(argument)
    return ctypes.byref(argument)


def _checked(result: int, name: str) -> int:
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result
