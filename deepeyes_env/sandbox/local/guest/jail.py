"""The two steps of isolation: what the zygote does once, and what each guest does after its fork."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from . import landlock, libc, seccomp, tree
from .layers import Layer
from .libc import call, layer, prctl
from .limits import GuestLimits, HardLimit, hard_limits
from .rooms import Janitor, Rooms, make_base

CHANNEL = 3
"""The descriptor of a guest's socket."""

_NOBODY = 65534
_OWN_USERS = 0x70000000
"""First of the ids that systemd's table of ids (`UIDS-GIDS`) leaves free; a guest adds its process id."""
_HOSTNAME = "sandbox"
_OWN_NAMESPACES = ((Layer.IPC_NAMESPACE, libc.CLONE_NEWIPC), (Layer.UTS_NAMESPACE, libc.CLONE_NEWUTS))
"""What each guest has of its own. An empty network is the same for all, for it takes ten times longer."""
_ALL_DESCRIPTORS = 1 << 16
"""More than a zygote ever has open."""
_CAPABILITY_HEADER = (ctypes.c_uint32 * 2)(0x20080522, 0)
"""Version 3 of the structure, and this process."""
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()
_ZYGOTE_SCORE, _GUEST_SCORE = 500, 1000
"""What `proc(5)` calls `oom_score_adj`; one of the guests shall die, and not the zygote with all of them."""


class Zygote:
    """The isolated process that forks the guests."""

    def __init__(self, walls: frozenset[Layer], root: tree.Tree, proc: int, rooms: Rooms | None) -> None:
        """Remember what `isolate` built.

        Args:
            walls: The layers that stand, and those that every guest shall get.
            root: What a guest may see.
            proc: A descriptor of /proc, which is not to be seen in the new root.
            rooms: The guests' directories where they have no private /tmp.
        """
        self.walls = walls
        self.rooms = rooms
        self.pid = os.getpid()
        self.rules: list[landlock.Rule] = []
        self.limits: list[HardLimit] = []
        self._root = root
        self._proc = os.dup(proc)
        self._status = os.open("self/status", os.O_RDONLY, dir_fd=proc)
        self._maps = os.open("self/maps", os.O_RDONLY, dir_fd=proc)
        self._namespace = os.open("self/ns/pid", os.O_RDONLY, dir_fd=proc)

    def prepare(self, limits: GuestLimits) -> None:
        """After the imports: do what all guests have in common before they are forked."""
        if Layer.LANDLOCK_FILES in self.walls:
            with layer(Layer.LANDLOCK_FILES):
                self.rules = landlock.reading(self._root.readable)
                self.rules += landlock.listing(() if self.rooms else self._root.listed)
        seccomp.assemble(platform.machine())
        fields = self._status_fields()
        data, size = (int(fields[name].split()[0]) << 10 for name in ("VmData", "VmSize"))
        self.limits = [limit for limit in hard_limits(limits, data, size) if limit.layer in self.walls]

    def maps(self) -> str:
        """This process's mappings, as `/proc/self/maps` tells them."""
        text = b""
        while piece := os.pread(self._maps, 1 << 20, len(text)):
            text += piece
        return text.decode()

    @property
    def threads(self) -> int:
        """Number of this process's threads."""
        return int(self._status_fields()["Threads"])

    def _status_fields(self) -> dict[str, str]:
        text = os.pread(self._status, 1 << 16, 0).decode()
        return dict(line.split(":", 1) for line in text.splitlines())

    def be_the_first_to_die(self) -> None:
        """In a guest: be chosen before the zygote, which with all the libraries may well be larger."""
        if not self.rooms:  # there the zygote's own Landlock refuses it, and all have the same score
            _set_score(self._proc, _GUEST_SCORE)

    def fork(self) -> int:
        """Fork a child, where there are namespaces as PID 1 of a PID namespace of its own.

        Returns:
            As `os.fork`.

        Raises:
            OSError: The kernel refused.
        """
        if self.rooms:
            self.rooms.choose()
            pid = os.fork()
            if pid:
                self.rooms.announce(pid)
            return pid
        if Layer.GUEST_PID_NAMESPACE not in self.walls:
            return os.fork()
        call("unshare", libc.CLONE_NEWPID)
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid:
                call("setns", self._namespace, libc.CLONE_NEWPID)
        return pid


@dataclass(frozen=True, slots=True)
class Launcher:
    """The process that forked the zygote."""

    zygote: int

    def wait(self) -> int:
        """Wait for the zygote's end.

        Returns:
            Its exit status.
        """
        return os.waitstatus_to_exitcode(os.waitpid(self.zygote, 0)[1])


def isolate(
    root: tree.Tree, walls: frozenset[Layer], limits: GuestLimits, directory: str
) -> Zygote | Launcher | Janitor:
    """Move into new namespaces and a new root, or where the level has none, behind Landlock.

    A PID namespace needs a fork, and rooms need a janitor, so this returns in two processes.

    Args:
        root: What remains visible of the host.
        walls: The layers to build: those of a level, less those that a test leaves out.
        limits: The limits of each guest.
        directory: Where to make the guests' directories if they have no private /tmp.

    Returns:
        In the new process, the zygote. In the old one, something to wait for it.

    Raises:
        LayerError: A wall could not be built.
    """
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    if Layer.FIRST_TO_DIE in walls:
        _set_score(proc, _ZYGOTE_SCORE if Layer.USER_NAMESPACE in walls else _GUEST_SCORE)
    if Layer.USER_NAMESPACE in walls:
        return _with_namespaces(root, walls, proc)
    return _without_namespaces(root, walls, limits, directory, proc)


def _with_namespaces(root: tree.Tree, walls: frozenset[Layer], proc: int) -> Zygote | Launcher:
    # Real root builds the tree while it can still read everything (interpreters live under 0700 homes), then
    # becomes nobody: an id 0 mapped to the host's 0 would own the host's files.
    as_root = os.geteuid() == 0
    if as_root:
        with layer(Layer.MOUNT_NAMESPACE):
            call("unshare", libc.CLONE_NEWNS)
        tree.enter(root, walls)
        if Layer.UNPRIVILEGED_USER in walls:
            with layer(Layer.UNPRIVILEGED_USER):
                _become(_NOBODY)
            # Changing ids made the process's own /proc entries unwritable.
            prctl(libc.PR_SET_DUMPABLE, 1)
    _new_namespaces(proc, walls)
    pid = os.fork()
    if pid:
        os.close(proc)
        return Launcher(pid)
    if Layer.PARENT_DEATH_SIGNAL in walls:
        prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    zygote = Zygote(walls, root, proc, None)
    os.close(proc)
    if not as_root:
        tree.enter(root, walls)
    if Layer.OWN_ROOT in walls:
        with layer(Layer.PRIVATE_TMP):
            tree.private_tmp(size=64 << 20, files=1_000)
    return zygote


def _without_namespaces(
    root: tree.Tree, walls: frozenset[Layer], limits: GuestLimits, directory: str, proc: int
) -> Zygote | Janitor:
    as_root = os.geteuid() == 0
    if Layer.LANDLOCK_FILES in walls:
        with layer(Layer.LANDLOCK_FILES):
            landlock.require_truncation(landlock.version())
    with layer(Layer.PRIVATE_DIRECTORY):
        base = make_base(directory, shared=as_root)
    if as_root and Layer.UNPRIVILEGED_USER in walls:
        with layer(Layer.UNPRIVILEGED_USER):
            _check_that_nobody_reads([*root.readable, base])
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid:
        theirs.close()
        os.close(proc)
        quota = (limits.tmp_bytes, limits.tmp_files) if Layer.DIRECTORY_QUOTA in walls else None
        return Janitor(base, pid, ours, quota)
    ours.close()
    if Layer.PARENT_DEATH_SIGNAL in walls:
        prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    zygote = Zygote(walls, root, proc, Rooms(base, theirs, private=Layer.PRIVATE_DIRECTORY in walls))
    os.close(proc)
    _be_at_home(f"{base}/zygote")
    # What all guests have in common, once: it has a rule for each entry of the standard library's directory.
    if Layer.NO_NEW_PRIVILEGES in walls:
        with layer(Layer.NO_NEW_PRIVILEGES):
            prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    confined = landlock.reading(root.confined) + landlock.listing(root.listed)
    landlock.restrict(confined, (base, "/dev/null"), walls & {Layer.LANDLOCK_FILES})
    for rule in confined:
        os.close(rule.parent)
    return zygote


def lock_down(zygote: Zygote, keep: int, limits: GuestLimits) -> None:
    """Take everything from a freshly forked guest but its socket, its directory and what it may read.

    Args:
        zygote: What `isolate` returned.
        keep: The one descriptor that the guest keeps, as `CHANNEL`, which it becomes first.
        limits: Its limits.

    Raises:
        LayerError: A wall could not be built; nothing of the guest may run.
    """
    walls = zygote.walls
    os.dup2(keep, CHANNEL, inheritable=False)
    if Layer.SESSION in walls:
        os.setsid()
    if Layer.FIRST_TO_DIE in walls:
        zygote.be_the_first_to_die()
    if zygote.rooms:
        walls = _move_into_room(zygote.rooms, walls)
        writable = zygote.rooms.room
    else:
        _private_tmp(limits, walls)
        writable = "/tmp"
    # After the change of the user id, which undoes it.
    if Layer.PARENT_DEATH_SIGNAL in walls:
        prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() not in (0, zygote.pid):
            os._exit(1)
    for limit in zygote.limits:
        if limit.layer in walls:  # a user that is not the guest's alone has none of threads
            with layer(limit.layer):
                resource.setrlimit(limit.resource, (limit.value, limit.value))
    if Layer.NO_CAPABILITIES in walls:
        with layer(Layer.NO_CAPABILITIES):
            _drop_capabilities()
    if Layer.NO_NEW_PRIVILEGES in walls:
        with layer(Layer.NO_NEW_PRIVILEGES):
            prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    # A core limit of zero does not stop a crash handler of the host that reads cores from a pipe (`core(5)`).
    if Layer.NOT_DUMPABLE in walls:
        prctl(libc.PR_SET_DUMPABLE, 0)
    landlock.restrict(zygote.rules, (writable, "/dev/null"), walls)
    if Layer.CLOSED_DESCRIPTORS in walls:  # the standard streams are the zygote's, which are null
        os.closerange(CHANNEL + 1, _ALL_DESCRIPTORS)
    if Layer.SECCOMP in walls:
        with layer(Layer.SECCOMP):
            seccomp.install(own_pid=os.getpid())


def _private_tmp(limits: GuestLimits, walls: frozenset[Layer]) -> None:
    if Layer.PRIVATE_TMP in walls:
        with layer(Layer.PRIVATE_TMP):
            call("unshare", libc.CLONE_NEWNS)
            quota = (limits.tmp_bytes, limits.tmp_files) if Layer.TMP_QUOTA in walls else (0, 0)
            tree.private_tmp(*quota)
    for wall, flag in _OWN_NAMESPACES:
        if wall in walls:
            with layer(wall):
                call("unshare", flag)
    # A user namespace of its own makes the count of threads its own, and owns no mount of the zygote's.
    if Layer.GUEST_USER_NAMESPACE in walls:
        with layer(Layer.GUEST_USER_NAMESPACE):
            call("unshare", libc.CLONE_NEWUSER)


def _move_into_room(rooms: Rooms, walls: frozenset[Layer]) -> frozenset[Layer]:
    """Make the guest's directory its home, and become a user of its own if we may.

    Returns:
        The walls that can still be built: the kernel counts threads by user, and would count those of other
        processes too if the user is not the guest's alone.
    """
    with layer(Layer.PRIVATE_DIRECTORY):
        rooms.enter()
    alone = False
    if os.geteuid() == 0 and Layer.UNPRIVILEGED_USER in walls:
        with layer(Layer.UNPRIVILEGED_USER):
            try:
                _become(_OWN_USERS + os.getpid(), rooms.room)
                alone = True
            except OSError:  # a container's range of ids ends early
                _become(_NOBODY, rooms.room)
    _be_at_home(rooms.room)
    return walls if alone else walls - {Layer.THREADS_LIMIT}


def _be_at_home(directory: str) -> None:
    """Let Python's and the libraries' defaults lead to the one directory that can be written."""
    os.makedirs(directory, 0o755, exist_ok=True)
    os.chdir(directory)
    os.environ.update(HOME=directory, TMPDIR=directory, MPLCONFIGDIR=f"{directory}/matplotlib")
    tempfile.tempdir = directory


def _check_that_nobody_reads(paths: Sequence[str]) -> None:
    """Without a root of its own a guest reaches its libraries through the host's directories."""
    os.setgroups([])
    os.setegid(_NOBODY)
    os.seteuid(_NOBODY)
    try:
        for path in paths:
            if not os.access(path, os.F_OK, effective_ids=True):
                raise PermissionError(f"the user {_NOBODY} cannot reach {path}")
    finally:
        os.seteuid(0)
        os.setegid(0)


def _set_score(proc: int, score: int) -> None:
    """Out of memory, the kernel shall kill the sandbox's processes before the trainer."""
    handle = os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=proc)
    os.write(handle, b"%d" % score)
    os.close(handle)


def _become(user: int, home: str | None = None) -> None:
    if home:
        os.chown(home, user, user)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _new_namespaces(proc: int, walls: frozenset[Layer]) -> None:
    user, group = os.geteuid(), os.getegid()
    with layer(Layer.USER_NAMESPACE):
        call("unshare", libc.CLONE_NEWUSER)
        for name, content in (
            ("setgroups", "deny"),
            ("uid_map", f"0 {user} 1"),
            ("gid_map", f"0 {group} 1"),
        ):
            handle = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
            os.write(handle, content.encode())
            os.close(handle)
    for wall, flag in libc.NAMESPACES.items():
        if wall in walls:
            with layer(wall):
                call("unshare", flag)
    if Layer.UTS_NAMESPACE in walls:
        with layer(Layer.UTS_NAMESPACE):
            socket.sethostname(_HOSTNAME)


def _drop_capabilities() -> None:
    call("capset", _CAPABILITY_HEADER, _NO_CAPABILITIES)
