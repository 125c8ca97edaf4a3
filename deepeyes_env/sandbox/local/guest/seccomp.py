"""The list of system calls that a guest may make, as a BPF program written here (no libseccomp needed).

Everything that is not named gets EPERM; another architecture's calls kill the process.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import platform
import struct

from .libc import call
from .syscalls import CHECKED, IGNORED, PLAIN, numbers

_LOAD, _AND, _RETURN, _JUMP = 0x20, 0x54, 0x06, 0x05
_IF_EQUAL, _IF_AT_LEAST = 0x15, 0x35
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020000
"""All namespaces; those that a thread could have for itself need a capability besides."""
_MAP_SHARED_ANONYMOUS = 0x21
_MAP_GROWSDOWN_OR_HUGETLB = 0x40100
_AF_UNIX = 1
_SOCKET_TYPE, _STREAM, _SEQUENCED = 0xF, 1, 5
"""SOCK_TYPE_MASK, SOCK_STREAM and SOCK_SEQPACKET."""
_TERMINAL_FREE_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS and TIOCGWINSZ (`isatty`), FIONREAD, FIONBIO (asyncio needs it), FIONCLEX, FIOCLEX."""
_THREAD_NAME = (15, 16)
"""PR_SET_NAME and PR_GET_NAME."""
_REFUSED_FCNTLS = (6, 7, 8, 10, 15, 37, 38, 1024, 1026, 1031)
"""F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW (as `flock`, which is not on the list: a lock on a library's
file is seen by siblings and by the host); F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY send signals;
F_SETPIPE_SZ takes kernel memory."""

_OWN_PID = 0x0EED_0000
"""Stands for the guest's process id; no other constant of the program looks like it."""

_SET_MODE_FILTER = 1

_Code = list[tuple[int, int, int, int]]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def install(own_pid: int) -> None:
    """Put the filter on this process for good. Needs `no_new_privs`.

    Args:
        own_pid: The only process that the guest may signal: itself, as it sees itself.

    Raises:
        OSError: The kernel refused.
    """
    code = program(own_pid)
    call("seccomp", _SET_MODE_FILTER, 0, _Program(len(code) // 8, code))


def program(own_pid: int, machine: str | None = None) -> bytes:
    """The filter for one guest.

    Args:
        own_pid: See `install`.
        machine: As `platform.machine()` says it; this machine by default.

    Returns:
        The BPF instructions, 8 bytes each.
    """
    return assemble(machine or platform.machine()).replace(
        struct.pack("<I", _OWN_PID), struct.pack("<I", own_pid)
    )


@functools.cache
def assemble(machine: str) -> bytes:
    """The filter with `_OWN_PID` in place of the guest's process id: once, for all guests."""
    code: _Code = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 1, 0, _ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine == "x86_64":
        code += [(_IF_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _KILL)]
    conditions = _conditions()
    allow: _Code = [(_RETURN, 0, 0, _ALLOW)]
    ignore: _Code = [(_RETURN, 0, 0, _ERRNO)]
    verdicts = dict.fromkeys(numbers(PLAIN, machine).values(), allow)
    verdicts |= dict.fromkeys(numbers(IGNORED, machine).values(), ignore)
    verdicts |= {number: conditions[name] for name, number in numbers(CHECKED, machine).items()}
    code += _search(_intervals(verdicts))
    return b"".join(struct.pack("<HBBI", operation, yes, no, value) for operation, yes, no, value in code)


def _intervals(verdicts: dict[int, _Code]) -> list[tuple[int, _Code]]:
    """Where the verdict changes, by the first number that it holds for."""
    refuse: _Code = [(_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    changes, last = [(0, verdicts.get(0, refuse))], verdicts.get(0, refuse)
    for number in range(1, max(verdicts) + 2):
        verdict = verdicts.get(number, refuse)
        if verdict is not last:
            changes.append((number, verdict))
            last = verdict
    return changes


def _search(intervals: list[tuple[int, _Code]]) -> _Code:
    """A binary search: the kernel runs the program for every number when it installs it."""
    if len(intervals) == 1:
        return intervals[0][1]
    middle = len(intervals) // 2
    below, above = _search(intervals[:middle]), _search(intervals[middle:])
    # A conditional jump reaches 255 instructions.
    return [(_IF_AT_LEAST, 0, 1, intervals[middle][0]), (_JUMP, 0, 0, len(below)), *below, *above]


def _conditions() -> dict[str, _Code]:
    """What each checked call must look like; every block ends in a verdict."""
    return {
        "clone": [
            *_argument(0, _CLONE_THREAD | _CLONE_NEW),
            (_IF_EQUAL, 0, 1, _CLONE_THREAD),
            *_allow_else_refuse(),
        ],
        # glibc falls back to `clone`, whose flags a filter can see, when `clone3` does not exist.
        "clone3": [(_RETURN, 0, 0, _ERRNO | errno.ENOSYS)],
        "fcntl": _none_of(1, _REFUSED_FCNTLS),
        "ioctl": _one_of(1, _TERMINAL_FREE_IOCTLS),
        "kill": _one_of(0, (_OWN_PID,)),
        # RLIMIT_DATA counts neither shared memory nor stacks, and huge pages come from the host's own pool.
        "mmap": [
            *_argument(3, _MAP_SHARED_ANONYMOUS),
            (_IF_EQUAL, 4, 0, _MAP_SHARED_ANONYMOUS),
            *_argument(3, _MAP_GROWSDOWN_OR_HUGETLB),
            (_IF_EQUAL, 0, 1, 0),
            *_allow_else_refuse(),
        ],
        "prctl": _one_of(0, _THREAD_NAME),
        # Reading limits only: the pointer to new limits must be null in both of its halves.
        "prlimit64": [
            (_LOAD, 0, 0, _offset(2)),
            (_IF_EQUAL, 0, 3, 0),
            (_LOAD, 0, 0, _offset(2) + 4),
            (_IF_EQUAL, 0, 1, 0),
            *_allow_else_refuse(),
        ],
        # Not datagrams: a pair of those may send to any socket that has a path, also to one of the host's.
        "socketpair": [
            *_argument(1, _SOCKET_TYPE),
            (_IF_EQUAL, 2, 0, _STREAM),
            (_IF_EQUAL, 1, 0, _SEQUENCED),
            (_RETURN, 0, 0, _ERRNO | errno.EPERM),
            *_one_of(0, (_AF_UNIX,)),
        ],
        "tgkill": _one_of(0, (_OWN_PID,)),
    }


def _offset(index: int) -> int:
    """Where an argument's low half lies in `struct seccomp_data` (both architectures: little endian)."""
    return 16 + 8 * index


def _argument(index: int, mask: int) -> _Code:
    return [(_LOAD, 0, 0, _offset(index)), (_AND, 0, 0, mask)]


def _allow_else_refuse() -> _Code:
    return [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]


def _one_of(index: int, values: tuple[int, ...]) -> _Code:
    tests: _Code = []
    for value in values:
        tests += [(_IF_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    return [(_LOAD, 0, 0, _offset(index)), *tests, (_RETURN, 0, 0, _ERRNO | errno.EPERM)]


def _none_of(index: int, values: tuple[int, ...]) -> _Code:
    tests: _Code = []
    for value in values:
        tests += [(_IF_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    return [(_LOAD, 0, 0, _offset(index)), *tests, (_RETURN, 0, 0, _ALLOW)]
