"""What an attacker is after, made for the test alone: files, a process and listeners of a host."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

SECRET = "a-secret-of-the-host"
SECRET_VARIABLE = "DEEPEYES_TEST_SECRET"
_IPC_CREAT, _IPC_RMID = 0o1000, 0


class Scene:
    """Nothing that an attack does here reaches anything else of the machine."""

    def __init__(self) -> None:
        # Not in the temporary directory, which is the guest's own where there are namespaces.
        self.directory = Path(tempfile.mkdtemp(prefix="deepeyes-attacks-", dir="/var/tmp"))
        self.directory.chmod(0o755)
        self._files = {
            "public": (self.directory / "public", 0o644),
            "private": (self.directory / "private", 0o600),
            "writable": (self.directory / "writable", 0o666),
            "program": (self.directory / "program", 0o755),
            "inner": (self.directory / "box" / "inner", 0o666),
            "spare": (self.directory / "box" / "spare", 0o666),
            "module": (self.directory / "library" / "module.py", 0o666),
            "tool": (self.directory / "library" / "tool", 0o755),
        }
        self.box = self.directory / "box"
        self.library = self.directory / "library"
        for folder in (self.box, self.library):
            folder.mkdir()
            folder.chmod(0o777)
        self._write_files()
        self._victim = _start_victim()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._key = 0x0DEE0000 | os.getpid() & 0xFFFF
        self._segment = self._libc.shmget(self._key, 4096, _IPC_CREAT | 0o600)
        self._abstract = f"\0deepeyes-attacks-{os.getpid()}"
        self._listeners = {
            "tcp": _listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "udp": _listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "abstract": _listen(socket.AF_UNIX, socket.SOCK_STREAM, self._abstract),
            "abstract_datagram": _listen(socket.AF_UNIX, socket.SOCK_DGRAM, f"{self._abstract}-d"),
            "stream": _listen(socket.AF_UNIX, socket.SOCK_STREAM, str(self.box / "stream")),
            "datagram": _listen(socket.AF_UNIX, socket.SOCK_DGRAM, str(self.box / "datagram")),
        }
        for name in ("stream", "datagram"):
            (self.box / name).chmod(0o777)

    def facts(self) -> dict[str, object]:
        """What the attacker is told; more than it could find out."""
        ports = {name: self._listeners[name].getsockname()[1] for name in ("tcp", "udp")}
        paths = {name: str(path) for name, (path, _) in self._files.items()}
        return {
            **ports,
            **paths,
            "directory": str(self.directory),
            "box": str(self.box),
            "library": str(self.library),
            "stream": str(self.box / "stream"),
            "datagram": str(self.box / "datagram"),
            "abstract": self._abstract,
            "abstract_datagram": f"{self._abstract}-d",
            "segment": self._key,
            "victim": self._victim.pid,
            "pid": os.getpid(),
            "name": socket.gethostname(),
            "secret": SECRET,
        }

    def harm(self) -> list[str]:
        """What an attack has done to it."""
        found = []
        for name, (path, mode) in self._files.items():
            if not path.is_file() or path.read_text() != _content(name):
                found.append(f"{name} changed")
            elif path.stat().st_mode & 0o7777 != mode or path.stat().st_mtime != 0:
                found.append(f"{name} has another mode or time")
        found += [f"new: {path.name}" for path in self._new()]
        if self._victim.poll() is not None:
            found.append("the victim is dead")
        elif os.getpriority(os.PRIO_PROCESS, self._victim.pid) != os.getpriority(os.PRIO_PROCESS, 0):
            found.append("the victim has another priority")
        found += [
            f"reached by {name}" for name, listener in self._listeners.items() if _was_reached(listener)
        ]
        return found

    def restore(self, *, dead: bool) -> None:
        """Make it whole again after an attack that succeeded.

        Args:
            dead: Whether the victim was harmed.
        """
        for path in self._new():
            path.unlink() if path.is_symlink() or not path.is_dir() else shutil.rmtree(path)
        self._write_files()
        if dead:
            self._end_victim()
            self._victim = _start_victim()
        for listener in self._listeners.values():
            while _was_reached(listener):
                pass

    def close(self) -> None:
        """Leave nothing behind."""
        self._end_victim()
        for listener in self._listeners.values():
            listener.close()
        self._libc.shmctl(self._segment, _IPC_RMID, None)
        shutil.rmtree(self.directory)

    def _new(self) -> list[Path]:
        known = {path for path, _ in self._files.values()} | {self.box / "stream", self.box / "datagram"}
        return [path for folder in (self.box, self.library) for path in folder.iterdir() if path not in known]

    def _write_files(self) -> None:
        for name, (path, mode) in self._files.items():
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            path.write_text(_content(name))
            path.chmod(mode)
            os.utime(path, (0, 0))

    def _end_victim(self) -> None:
        self._victim.kill()
        self._victim.wait()


def _content(name: str) -> str:
    return f"{SECRET} in {name}\n"


def _start_victim() -> subprocess.Popen[bytes]:
    """A process of the host that does nothing and ends by itself."""
    return subprocess.Popen(["sleep", "120"], start_new_session=True, stdin=subprocess.DEVNULL)


def _listen(family: int, kind: int, address: object) -> socket.socket:
    listener = socket.socket(family, kind)
    listener.bind(address)  # type: ignore[arg-type]
    if kind == socket.SOCK_STREAM:
        listener.listen()
    listener.setblocking(False)
    return listener


def _was_reached(listener: socket.socket) -> bool:
    try:
        if listener.type & 0xF == socket.SOCK_STREAM:
            listener.accept()[0].close()
        else:
            listener.recv(1 << 10)
    except BlockingIOError:
        return False
    return True


def still_runs(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def kill(pid: int) -> None:
    """Kill a process that a control has left behind, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
