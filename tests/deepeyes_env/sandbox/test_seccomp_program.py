"""The filter's verdicts, worked out by a small BPF machine, for architectures that are not at hand."""

import struct

import pytest

from deepeyes_env.sandbox.local.guest.seccomp import program
from deepeyes_env.sandbox.local.guest.syscalls import CHECKED, IGNORED, PLAIN, numbers

ALLOW, KILL, EPERM, ENOSYS, NOTHING = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026, 0x00050000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
OWN_PID = 4321


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    padded = [argument % 2**64 for argument in arguments] + [0] * (6 - len(arguments))
    data = struct.pack("<IIQ6Q", number, architecture or ARCHITECTURES[machine], 0, *padded)
    code = list(struct.iter_unpack("<HBBI", program(OWN_PID, machine)))
    accumulator, at = 0, 0
    while True:
        operation, yes, no, value = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x15:
            at += yes if accumulator == value else no
        elif operation == 0x35:
            at += yes if accumulator >= value else no
        elif operation == 0x05:
            at += value
        else:
            assert operation == 0x06
            return value


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_only_the_listed_calls_pass(machine: str) -> None:
    plain, checked = set(numbers(PLAIN, machine).values()), set(numbers(CHECKED, machine).values())
    ignored = set(numbers(IGNORED, machine).values())
    assert not plain & checked
    assert not (plain | checked) & ignored
    for number in set(range(500)) - checked:
        expected = ALLOW if number in plain else NOTHING if number in ignored else EPERM
        assert verdict(machine, number) == expected


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clone", (0x3D0F00,), ALLOW),  # a thread of glibc
        ("clone", (17,), EPERM),
        ("clone", (0x3D0F00 | 0x20000,), EPERM),  # a thread in a mount namespace of its own
        ("clone3", (0, 0), ENOSYS),
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5412), EPERM),
        ("fcntl", (0, 3), ALLOW),
        ("fcntl", (0, 8), EPERM),
        ("fcntl", (0, 6), EPERM),
        ("fcntl", (0, 37), EPERM),
        ("kill", (OWN_PID, 9), ALLOW),
        ("kill", (0, 9), EPERM),
        ("kill", (-1, 9), EPERM),
        ("kill", (-OWN_PID, 9), EPERM),
        ("tgkill", (OWN_PID, 7, 9), ALLOW),
        ("tgkill", (1, 1, 9), EPERM),
        ("mmap", (0, 4096, 3, 0x22), ALLOW),
        ("mmap", (0, 4096, 3, 0x01), ALLOW),
        ("mmap", (0, 4096, 3, 0x21), EPERM),
        ("mmap", (0, 4096, 3, 0x23), EPERM),
        ("mmap", (0, 4096, 3, 0x122), EPERM),
        ("mmap", (0, 4096, 3, 0x40022), EPERM),
        ("mmap", (0, 4096, 3, 0x20022), ALLOW),  # a thread's stack
        ("prctl", (15,), ALLOW),
        ("prctl", (22,), EPERM),
        ("prlimit64", (0, 9, 0, 1), ALLOW),
        ("prlimit64", (0, 9, 1, 0), EPERM),
        ("prlimit64", (0, 9, 1 << 32, 0), EPERM),
        ("socketpair", (1, 1), ALLOW),
        ("socketpair", (1, 0x80805), ALLOW),  # SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK
        ("socketpair", (1, 2), EPERM),
        ("socketpair", (1, 3), EPERM),
        ("socketpair", (2, 1), EPERM),
    ],
)
def test_checked_calls_depend_on_their_arguments(
    machine: str, name: str, arguments: tuple[int, ...], expected: int
) -> None:
    assert verdict(machine, numbers(CHECKED, machine)[name], *arguments) == expected


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_process_id_is_the_only_thing_that_differs_between_guests(machine: str) -> None:
    one, two = (list(struct.iter_unpack("<HBBI", program(pid, machine))) for pid in (1, 0x01020304))
    assert [pair for pair in zip(one, two, strict=True) if pair[0] != pair[1]] == [
        ((0x15, 0, 1, 1), (0x15, 0, 1, 0x01020304))
    ] * 2


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_foreign_architectures_are_killed(machine: str) -> None:
    assert verdict(machine, 0, architecture=0x40000003) == KILL
    assert verdict("x86_64", 0x40000000) == KILL
