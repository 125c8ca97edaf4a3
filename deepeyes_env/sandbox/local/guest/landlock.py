"""Landlock: the second wall around files, TCP, signals and abstract sockets (kernel `landlock.rst`)."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence

from .libc import call

_CREATE_VERSION = 1
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_MAKE_CHAR, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 10, 1 << 11
_NEVER = _MAKE_CHAR | _MAKE_SOCK | _MAKE_FIFO | _MAKE_BLOCK

_FILE_RIGHTS_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
"""Number of file rights known to each version; version 5 added the sixteenth (device ioctls)."""
_NET_TCP = 0b11
_SCOPE_SOCKETS_AND_SIGNALS = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = [
        ("fs", ctypes.c_uint64),
        ("net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    ]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("access", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def version() -> int:
    """The kernel's Landlock version.

    Raises:
        OSError: The kernel has no Landlock, or it is switched off.
    """
    return call("landlock_create_ruleset", None, 0, _CREATE_VERSION)


def restrict(readable: Sequence[str], writable: Sequence[str]) -> None:
    """Confine this process: read below `readable`, read and write below `writable`, nothing else.

    TCP (version 4 and later), signals and abstract sockets to the outside (version 6 and later) are closed
    altogether. Needs `no_new_privs`.

    Args:
        readable: Paths whose files may be read and mapped executable.
        writable: Paths below which regular files and directories may be made and written.

    Raises:
        OSError: The kernel refused.
    """
    known = version()
    rights = (1 << _FILE_RIGHTS_BITS.get(known, 16)) - 1
    ruleset = _Ruleset(rights, _NET_TCP if known >= 4 else 0, _SCOPE_SOCKETS_AND_SIGNALS if known >= 6 else 0)
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    handle = call("landlock_create_ruleset", ruleset, size, 0)
    try:
        for path in readable:
            _allow(handle, path, _READ & rights)
        for path in writable:
            _allow(handle, path, rights & ~_NEVER & ~_EXECUTE)
        call("landlock_restrict_self", handle, 0)
    finally:
        os.close(handle)


def _allow(ruleset: int, path: str, access: int) -> None:
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):
            access &= _EXECUTE | _WRITE_FILE | _READ_FILE
        call("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, _PathBeneath(access, parent), 0)
    finally:
        os.close(parent)
