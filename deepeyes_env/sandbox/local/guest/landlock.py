"""Landlock: the second wall around files, TCP, signals and abstract sockets (kernel `landlock.rst`)."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from .layers import Layer
from .libc import call, layer

_CREATE_VERSION = 1
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_READ = _READ_FILE | _READ_DIR
"""Without the right to execute, which mapping a library does not need."""
_MAKE_CHAR, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 10, 1 << 11
_NEVER = _MAKE_CHAR | _MAKE_SOCK | _MAKE_FIFO | _MAKE_BLOCK

_FILE_RIGHTS_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
"""Number of file rights known to each version; version 5 added the sixteenth (device ioctls)."""
_TRUNCATION = 3
"""The version that knows a right for emptying files (Linux 6.2)."""
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


@functools.cache
def version() -> int:
    """The kernel's Landlock version; 0 if it has none, or has it switched off (`landlock.rst`).

    Raises:
        OSError: Something else refuses it, such as a container's profile.
    """
    try:
        return call("landlock_create_ruleset", None, 0, _CREATE_VERSION)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP):
            return 0
        raise


def require_truncation(known: int) -> None:
    """Refuse a version that lets files be emptied that may only be read, which read-only mounts prevent.

    Args:
        known: The kernel's Landlock version; 0 without Landlock.

    Raises:
        OSError: It is too old, or there is none.
    """
    if known < _TRUNCATION:
        here = f"has version {known}" if known else "is missing or switched off"
        raise OSError(f"Landlock {here}, without mounts it takes version {_TRUNCATION}")


class Rule(NamedTuple):
    """What may be done below a path, of which `parent` is a descriptor (`O_PATH`)."""

    parent: int
    access: int


def reading(paths: Sequence[str]) -> list[Rule]:
    """Rules that let files below these paths be read and mapped."""
    return [_rule(path, _READ) for path in paths]


def listing(paths: Sequence[str]) -> list[Rule]:
    """Rules that let the names below these directories be listed, or nothing could be imported from them."""
    return [_rule(path, _READ_DIR) for path in paths]


def restrict(rules: Sequence[Rule], writable: Sequence[str], walls: frozenset[Layer]) -> None:
    """Confine this process: what the rules say, read and write below `writable`, execute nothing.

    TCP (version 4 and later), signals and abstract sockets to the outside (version 6 and later) are closed
    altogether. Needs `no_new_privs`.

    Args:
        rules: What may be read.
        writable: Paths below which regular files and directories may be made and written.
        walls: Which of the three Landlock layers to build.

    Raises:
        LayerError: The kernel refused.
    """
    if not walls & {Layer.LANDLOCK_FILES, Layer.LANDLOCK_TCP, Layer.LANDLOCK_SCOPE}:
        return
    with layer(Layer.LANDLOCK_FILES):
        ruleset, known = _ruleset(walls)
        if not (ruleset.fs or ruleset.net or ruleset.scoped):
            return
        size = 24 if known >= 6 else 16 if known >= 4 else 8
        handle = call("landlock_create_ruleset", ruleset, size, 0)
        try:
            if ruleset.fs:
                for rule in rules:
                    _add(handle, rule)
                for path in writable:
                    rule = _rule(path, ruleset.fs & ~(_NEVER | _EXECUTE))
                    _add(handle, rule)
                    os.close(rule.parent)
            call("landlock_restrict_self", handle, 0)
        finally:
            os.close(handle)


def _ruleset(walls: frozenset[Layer]) -> tuple[_Ruleset, int]:
    """What to take in hand: all that this kernel's version knows of the wanted layers; and the version."""
    known = version()
    rights = (1 << _FILE_RIGHTS_BITS.get(known, 16)) - 1
    ruleset = _Ruleset(
        rights if Layer.LANDLOCK_FILES in walls else 0,
        _NET_TCP if Layer.LANDLOCK_TCP in walls and known >= 4 else 0,
        _SCOPE_SOCKETS_AND_SIGNALS if Layer.LANDLOCK_SCOPE in walls and known >= 6 else 0,
    )
    return ruleset, known


def _rule(path: str, access: int) -> Rule:
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not stat.S_ISDIR(os.fstat(parent).st_mode):
        access &= _EXECUTE | _WRITE_FILE | _READ_FILE
    return Rule(parent, access)


def _add(ruleset: int, rule: Rule) -> None:
    beneath = _PathBeneath(rule.access, rule.parent)
    call("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, beneath, 0)
