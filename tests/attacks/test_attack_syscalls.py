"""Every system call that is not on the list is refused, tried one by one."""

import os

import pytest

from deepeyes_env.sandbox import CellStatus
from deepeyes_env.sandbox.local import LocalSession
from deepeyes_env.sandbox.local.guest.syscalls import CHECKED, PLAIN, SETUP, numbers

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86_64")

LAST = 470
"""Beyond the last call of Linux 6.18 (469)."""

UNFILTERED = {335, 336}
"""`uretprobe` and `uprobe`: Linux lets them pass every filter; outside of a probe they do nothing or kill."""


def test_every_call_off_the_list_is_refused(attacker: LocalSession) -> None:
    allowed = {*numbers(PLAIN).values(), *numbers(CHECKED).values()}
    refused = [number for number in range(LAST + 1) if number not in allowed | UNFILTERED]
    code = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for number in {refused}:
    ctypes.set_errno(0)
    if (libc.syscall(number, 0, 0, 0, 0, 0, 0), ctypes.get_errno()) != (-1, 1): print(number)
print('tried')"""
    assert attacker.run(code).stdout == "tried\n"
    assert len(refused) > 200
    assert set(numbers(SETUP).values()) <= set(refused)


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("clone", "17, 0, 0, 0, 0", 1),
        ("clone", "0x10000000 | 17, 0, 0, 0, 0", 1),
        ("clone3", "0, 0", 38),
        ("ioctl", "0, 0x5412, b'x'", 1),  # TIOCSTI types into the terminal
        ("ioctl", "0, 0x541C, b'x'", 1),
        ("fcntl", "3, 8, 1", 1),  # F_SETOWN
        ("fcntl", "3, 1031, 1 << 20", 1),  # F_SETPIPE_SZ
        ("fcntl", "3, 6, 0", 1),  # F_SETLK
        ("fcntl", "3, 38, 0", 1),  # F_OFD_SETLKW
        ("kill", "0, 9", 1),
        ("kill", "-1, 9", 1),
        ("tgkill", "2, 2, 9", 1),
        ("mmap", "0, 4096, 3, 0x21, -1, 0", 1),
        ("mmap", "0, 4096, 3, 0x23, -1, 0", 1),
        ("mmap", "0, 4096, 3, 0x122, -1, 0", 1),  # MAP_GROWSDOWN
        ("mmap", "0, 1 << 21, 3, 0x40022, -1, 0", 1),  # MAP_HUGETLB
        ("prctl", "4, 1, 0, 0, 0", 1),  # PR_SET_DUMPABLE
        ("prctl", "22, 0, 0, 0, 0", 1),  # PR_SET_SECCOMP
        ("prlimit64", "0, 9, (ctypes.c_uint64 * 2)(1 << 60, 1 << 60), 0", 1),
        ("socketpair", "2, 1, 0, (ctypes.c_int * 2)()", 1),
        ("socketpair", "16, 3, 0, (ctypes.c_int * 2)()", 1),
    ],
)
def test_checked_calls_are_refused_by_their_arguments(
    attacker: LocalSession, name: str, arguments: str, error: int
) -> None:
    code = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall({numbers(CHECKED)[name]}, *({arguments},)), ctypes.get_errno())"""
    assert attacker.run(code).stdout == f"-1 {error}\n"


def test_calls_of_other_architectures_kill(attacker: LocalSession) -> None:
    # getpid of the x32 interface.
    code = "import ctypes\nctypes.CDLL(None).syscall(0x40000000 + 39)\nprint('alive')"
    assert attacker.run(code).status is CellStatus.CRASHED


def test_ptrace_and_foreign_memory_are_refused(attacker: LocalSession) -> None:
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for call in ((101, 0, 0, 0, 0), (101, 16, 1, 0, 0), (310, 1, 0, 0, 0, 0, 0)):
    print(libc.syscall(*call), ctypes.get_errno())"""
    assert attacker.run(code).stdout == "-1 1\n" * 3
