"""Where there are no mounts: one directory of the host per session, and the launcher as their janitor.

The launcher outlives the zygote. It removes a room when its guest is gone, kills a guest that fills its room
beyond the quota, and at the end kills what is left and removes everything. Rooms that a killed launcher left
behind are removed by the next one on the machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import tempfile
import time
from collections.abc import Iterator

PREFIX = "deepeyes-sandbox-"
"""How the directories are called that hold the rooms of one sandbox."""

_QUOTA_SECONDS = 0.5
"""Time between two looks at the rooms; a disk takes a few hundred MB in it."""
_MOST_MISSED = 10
"""Looks that may miss a directory because it was moved; that of an honest program is, now and then."""
_NAME_BYTES = 64
_BLOCK = 512
"""The unit of `st_blocks` (`stat(2)`)."""


class Rooms:
    """The zygote's side: gives every guest a name for its room, and tells the janitor."""

    def __init__(self, base: str, janitor: socket.socket, *, private: bool) -> None:
        """Remember where the rooms are.

        Args:
            base: The directory that holds them.
            janitor: The socket to the launcher.
            private: Whether every guest has a room of its own, which only tests leave out.
        """
        self.base = base
        self.room = base
        self._janitor = janitor
        self._private = private

    def choose(self) -> None:
        """Choose the next guest's `room`, by a name that nobody can guess."""
        self.room = f"{self.base}/{os.urandom(16).hex() if self._private else 'shared'}"

    def announce(self, pid: int) -> None:
        """Tell the janitor that the process `pid` lives in `room`."""
        name = os.path.basename(self.room).encode()
        pidfd = os.pidfd_open(pid)
        socket.send_fds(self._janitor, [name], [pidfd])
        os.close(pidfd)

    def enter(self) -> None:
        """In the guest: make the room, and move in."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.room, 0o700)
        os.chdir(self.room)


class Janitor:
    """The launcher's side, once it has forked the zygote."""

    def __init__(self, base: str, zygote: int, channel: socket.socket, quota: tuple[int, int] | None) -> None:
        """Take charge.

        Args:
            base: The directory that holds the rooms; it is locked as long as its launcher or zygote lives.
            zygote: Its process id.
            channel: The socket to it.
            quota: Bytes and number of files that a room may hold.
        """
        self._base = base
        self._zygote = zygote
        self._channel = channel
        self._quota = quota
        self._rooms: dict[int, str] = {}
        self._missed: dict[int, int] = {}
        self._poll = select.poll()

    def wait(self) -> int:
        """Tend the rooms until the zygote is gone, then remove them all.

        Returns:
            The zygote's exit status.
        """
        ended = os.pidfd_open(self._zygote)
        for handle in (ended, self._channel.fileno()):
            self._poll.register(handle, select.POLLIN)
        due = time.monotonic() + _QUOTA_SECONDS
        while True:
            remaining = max(0.0, due - time.monotonic()) * 1_000
            ready = [
                handle for handle, _ in self._poll.poll(remaining if self._rooms and self._quota else None)
            ]
            if self._channel.fileno() in ready:
                self._hear()
            if ended in ready:
                break
            for handle in ready:
                if handle in self._rooms:
                    self._clear(handle)
            if self._quota and time.monotonic() >= due:
                self._enforce(*self._quota)
                due = time.monotonic() + _QUOTA_SECONDS
        status = os.waitstatus_to_exitcode(os.waitpid(self._zygote, 0)[1])
        self._end()
        return status

    def _hear(self) -> None:
        """Take in what the zygote announced; at its end everything that is still on the way."""
        self._channel.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                name, handles, _, _ = socket.recv_fds(self._channel, _NAME_BYTES, 1)
                if not name:
                    return
                self._rooms[handles[0]] = name.decode()
                self._poll.register(handles[0], select.POLLIN)

    def _clear(self, handle: int) -> None:
        self._poll.unregister(handle)
        os.close(handle)
        name = self._rooms.pop(handle)
        self._missed.pop(handle, None)
        if name not in self._rooms.values():
            remove(self._base, name)

    def _enforce(self, size: int, files: int) -> None:
        for handle, name in self._rooms.items():
            over = is_over(f"{self._base}/{name}", size, files)
            # Whoever moves directories about all the time hides what is in them.
            self._missed[handle] = self._missed.get(handle, 0) + (over is None)
            if over or self._missed[handle] == _MOST_MISSED:
                _kill(handle)

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._hear()
        for handle in self._rooms:  # each dies with the zygote; this is for one that does not
            _kill(handle)
        for handle in self._rooms:
            select.select([handle], [], [])
        remove(*os.path.split(self._base))


def make_base(directory: str, *, shared: bool) -> str:
    """Make the directory for the rooms of one sandbox, and remove those whose sandbox is gone.

    Args:
        directory: Where to make it.
        shared: Whether other users, who must know a room's name, shall get through.
    """
    for name in os.listdir(directory):
        if name.startswith(PREFIX):
            _sweep(directory, name)
    while True:
        base = tempfile.mkdtemp(prefix=PREFIX, dir=directory)
        if _lock(base) is None:
            continue
        if shared:
            os.chmod(base, 0o711)
        return base


def remove(parent: str, name: str) -> None:
    """Remove a directory that a guest has filled, however deep and odd, without following a link.

    What cannot be removed stays for the next sweep. Directories inside are first moved up beside it, so that
    no path grows long and nothing recurses.
    """
    waiting, count = [f"{parent}/{name}"], 0
    with contextlib.suppress(OSError):
        while waiting:
            here = waiting.pop()
            for entry in _entries(here):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    continue
                os.chmod(entry.path, 0o700)
                count += 1
                waiting.append(f"{parent}/{name}.{count}")
                os.rename(entry.path, waiting[-1])
            os.rmdir(here)


def is_over(room: str, size: int, files: int) -> bool | None:
    """Whether a room holds more than `size` bytes or `files` files; one that cannot be measured does.

    Returns:
        None if it did not where it was looked at, but a directory was moved before its turn came.
    """
    used, count = 0, 0
    gone: set[int] = set()
    opened: list[os._ScandirIterator[str]] = []
    try:
        opened.append(os.scandir(room))
        while opened:
            entry = next(opened[-1], None)
            if entry is None:
                opened.pop()
                continue
            with contextlib.suppress(FileNotFoundError):  # it works while we count
                used += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                count += 1
            if used > size or count > files:
                return True
            if entry.is_dir(follow_symlinks=False):
                try:
                    # At once: what waits for its turn may be renamed meanwhile.
                    opened.append(os.scandir(entry.path))
                except FileNotFoundError:
                    gone.add(entry.inode())
    except FileNotFoundError:
        return False  # the room itself
    except OSError:
        return True
    finally:
        for directory in opened:
            directory.close()
    return None if gone and not gone.isdisjoint(_inodes(room)) else False


def _inodes(room: str) -> Iterator[int]:
    """Those of all directories that are there."""
    waiting = [room]
    while waiting:
        with contextlib.suppress(OSError):
            for entry in _entries(waiting.pop()):
                if entry.is_dir(follow_symlinks=False):
                    yield entry.inode()
                    waiting.append(entry.path)


def _entries(directory: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(directory) as found:
        yield from found


def _kill(pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)


def _lock(base: str) -> int | None:
    """Lock a directory for as long as this process and its forks live; None if it is another's or gone."""
    try:
        handle = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_uid == os.geteuid() and os.path.samestat(os.fstat(handle), os.lstat(base)):
            return handle
    except OSError:
        pass
    os.close(handle)
    return None


def _sweep(directory: str, name: str) -> None:
    lock = _lock(f"{directory}/{name}")
    if lock is not None:
        remove(directory, name)
        os.close(lock)
