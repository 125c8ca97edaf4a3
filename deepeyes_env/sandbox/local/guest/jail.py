"""The two steps of isolation: what the zygote does once, and what each guest does after its fork."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
from dataclasses import dataclass

from . import landlock, libc, seccomp, tree
from .libc import call, layer, prctl

CHANNEL = 3
"""The descriptor of a guest's socket."""

_NOBODY = 65534
_HOSTNAME = "sandbox"
_THREAD_ADDRESS_SPACE = 128 << 20
"""Address space that glibc reserves for one more thread: its stack and an arena of its own."""
_MAIN_STACK = 8 << 20
"""Linux's default (`_STK_LIM`); RLIMIT_DATA does not count stacks and a host may have lifted their limit."""
_OPEN_FILES = 64
_ALL_DESCRIPTORS = 1 << 16
"""More than a zygote ever has open."""
_CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True, slots=True)
class GuestLimits:
    """The kernel's share of `SandboxLimits`, in the same units; see there."""

    memory_bytes: int
    threads: int
    tmp_bytes: int
    tmp_files: int


class Zygote:
    """The isolated process: PID 1 of its own namespaces, in its own root, with nobody's rights."""

    def __init__(self, status: int, namespace: int) -> None:
        self._status = status
        self._namespace = namespace

    def memory(self) -> tuple[int, int, int]:
        """This process's data segment in bytes, its address space in bytes, and its number of threads."""
        fields = dict(line.split(":", 1) for line in os.pread(self._status, 1 << 16, 0).decode().splitlines())
        kibibytes = (int(fields[name].split()[0]) for name in ("VmData", "VmSize"))
        data, size = (value << 10 for value in kibibytes)
        return data, size, int(fields["Threads"])

    def fork(self) -> int:
        """Fork a child that is PID 1 of a PID namespace of its own.

        Returns:
            As `os.fork`.

        Raises:
            OSError: The kernel refused.
        """
        call("unshare", libc.CLONE_NEWPID)
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid:
                call("setns", self._namespace, libc.CLONE_NEWPID)
        return pid


def isolate(root: tree.Tree) -> Zygote | int:
    """Move into new namespaces and a new root.

    A PID namespace needs a fork, so this returns in two processes.

    Args:
        root: What remains visible of the host.

    Returns:
        In the new process, the zygote. In the old one, the zygote's process id.

    Raises:
        LayerError: A wall could not be built.
    """
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    _be_the_first_to_die(proc)
    # Real root builds the tree while it can still read everything (interpreters live under 0700 homes), then
    # becomes nobody: an id 0 mapped to the host's 0 would own the host's files.
    as_root = os.geteuid() == 0
    if as_root:
        with layer("mount namespace"):
            call("unshare", libc.CLONE_NEWNS)
        tree.enter(root)
        _become_nobody()
    _new_namespaces(proc)
    pid = os.fork()
    if pid:
        os.close(proc)
        return pid
    prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    status = os.open("self/status", os.O_RDONLY, dir_fd=proc)
    namespace = os.open("self/ns/pid", os.O_RDONLY, dir_fd=proc)
    os.close(proc)
    if not as_root:
        tree.enter(root)
    with layer("private /tmp"):
        tree.private_tmp(size=64 << 20, files=1_000)
    return Zygote(status, namespace)


def lock_down(zygote: Zygote, keep: int, limits: GuestLimits) -> None:
    """Take everything from a freshly forked guest but its socket, /tmp and the read-only tree.

    Args:
        zygote: What `isolate` returned.
        keep: The one descriptor that the guest keeps; it becomes `CHANNEL`.
        limits: Its limits.

    Raises:
        LayerError: A wall could not be built; nothing of the guest may run.
    """
    os.setsid()
    prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    data, size, _ = zygote.memory()
    _close_all_but(keep)
    with layer("private /tmp"):
        call("unshare", libc.CLONE_NEWNS)
        tree.private_tmp(limits.tmp_bytes, limits.tmp_files)
    # A user namespace of its own makes the count of threads its own, and owns no mount of the zygote's.
    with layer("user namespace"):
        call("unshare", libc.CLONE_NEWUSER)
    with layer("resource limits"):
        _set_limits(limits, data, size)
    with layer("capabilities"):
        _drop_capabilities()
    with layer("Landlock"):
        landlock.restrict(readable=("/",), writable=("/tmp", "/dev/null"))
    with layer("seccomp"):
        seccomp.install(own_pid=os.getpid())


def _be_the_first_to_die(proc: int) -> None:
    """Out of memory, the kernel shall kill a guest and not the trainer."""
    handle = os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=proc)
    os.write(handle, b"1000")
    os.close(handle)


def _become_nobody() -> None:
    with layer("unprivileged user id"):
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        # Changing ids made the process's own /proc entries unwritable.
        prctl(libc.PR_SET_DUMPABLE, 1)


def _new_namespaces(proc: int) -> None:
    user, group = os.geteuid(), os.getegid()
    with layer("user namespace"):
        call("unshare", libc.CLONE_NEWUSER)
        for name, content in (
            ("setgroups", "deny"),
            ("uid_map", f"0 {user} 1"),
            ("gid_map", f"0 {group} 1"),
        ):
            handle = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
            os.write(handle, content.encode())
            os.close(handle)
    for name, flag in (
        ("mount namespace", libc.CLONE_NEWNS),
        ("PID namespace", libc.CLONE_NEWPID),
        ("network namespace", libc.CLONE_NEWNET),
        ("IPC namespace", libc.CLONE_NEWIPC),
        ("UTS namespace", libc.CLONE_NEWUTS),
        ("cgroup namespace", libc.CLONE_NEWCGROUP),
    ):
        with layer(name):
            call("unshare", flag)
    with layer("UTS namespace"):
        socket.sethostname(_HOSTNAME)


def _close_all_but(keep: int) -> None:
    null = os.open("/dev/null", os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.dup2(keep, CHANNEL, inheritable=False)
    os.closerange(CHANNEL + 1, _ALL_DESCRIPTORS)


def _set_limits(limits: GuestLimits, data: int, size: int) -> None:
    """Set hard limits, or leave the host's where they are lower.

    Args:
        limits: What the session may have.
        data: Bytes of data that the zygote's libraries occupy already.
        size: Bytes of address space that they occupy already.
    """
    memory = data + limits.memory_bytes
    address_space = size + limits.memory_bytes + limits.tmp_bytes + limits.threads * _THREAD_ADDRESS_SPACE
    for kind, value in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_AS, address_space),
        (resource.RLIMIT_STACK, _MAIN_STACK),
        (resource.RLIMIT_FSIZE, limits.tmp_bytes),
        (resource.RLIMIT_NPROC, limits.threads + 1),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (lowest, lowest))


def _drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    call("capset", header, nothing)
    prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    # A core limit of zero does not stop a crash handler of the host that reads cores from a pipe (`core(5)`).
    prctl(libc.PR_SET_DUMPABLE, 0)
