"""The host's handle of one zygote: start it, ask it for guests, end it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deepeyes_env.sandbox.base import SandboxError, SandboxLimits, SandboxUnavailableError
from deepeyes_env.sandbox.local import cgroup, tree
from deepeyes_env.sandbox.local.guest import wire
from deepeyes_env.sandbox.local.guest.layers import LAYERS, Layer, Level
from deepeyes_env.sandbox.local.guest.limits import GuestLimits
from deepeyes_env.sandbox.local.guest.zygote import FAILED, LAYER, READY
from deepeyes_env.sandbox.local.mends import MissingLayerError

BOOT_SECONDS = 120.0
"""Time for importing the libraries; about one second on an idle machine, much more on a busy one."""
FORK_SECONDS = 60.0
"""Time for forking one guest; some milliseconds on an idle machine."""

_CLOSE_SECONDS = 1.0
"""Time that a zygote has to end by itself."""
_MESSAGE_BYTES = 1 << 16
_CPUCLOCK_SCHED = 2
"""A process's clock of processor time (Linux `posix-timers_types.h`)."""

_BOOTSTRAP = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location(
    "guest", sys.argv[1] + "/__init__.py", submodule_search_locations=[sys.argv[1]])
package = importlib.util.module_from_spec(spec)
sys.modules["guest"] = package
spec.loader.exec_module(package)
from guest.zygote import main
main(int(sys.argv[2]))
"""

ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "MPLBACKEND": "agg",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    # All guests are forks of one process and share its hashes; make them the same every day.
    "PYTHONHASHSEED": "0",
    # A process with threads cannot be forked safely, and guests share the cores.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    # Transparent huge pages make Pillow's and NumPy's work on large images 2 to 5 times faster.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""All that a zygote, and so a guest, has of an environment."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A forked guest.

    Attributes:
        channel: The host's end of its socket.
        pidfd: A handle for signals.
        clock: The id of its processor-time clock (`clock_getcpuclockid(3)`).
        walled: Whether it is known that its walls stand.
    """

    channel: socket.socket
    pidfd: int
    clock: int
    walled: bool


class ZygoteProcess:
    """One running zygote. Safe to use from many threads."""

    def __init__(
        self,
        limits: SandboxLimits,
        extras: Sequence[str],
        level: Level,
        without: frozenset[Layer] = frozenset(),
        totals: cgroup.Totals | None = None,
    ) -> None:
        """Start a zygote and wait until it is ready.

        Args:
            limits: The limits of its guests.
            extras: Keys of `tree.EXTRAS`: libraries beyond the core set.
            level: The isolation to build; no other one takes over.
            without: Layers to leave out: those that the kernel does not have (`levels.gaps`), or in tests.
            totals: The limits of the zygote and all its guests together; `cgroup.totals()` by default.

        Raises:
            SandboxUnavailableError: This machine cannot give the isolation.
            SandboxError: The zygote does not start for another reason.
        """
        self.level = level
        walls = LAYERS[level] - without
        self._lock = threading.Lock()
        self._closed = False
        self._control, other = _socketpair(socket.SOCK_SEQPACKET)
        package = str(Path(wire.__file__).resolve().parent)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-S", "-B", "-c", _BOOTSTRAP, package, str(other.fileno())],
                pass_fds=[other.fileno()],
                env=ENVIRONMENT if Layer.CLEAN_ENVIRONMENT in walls else os.environ | ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd="/",
                start_new_session=True,
            )
        # It forks nothing before it has its configuration, so this takes in every process of the sandbox.
        self.group = cgroup.enclose(self._process.pid, totals or cgroup.totals())
        try:
            self._boot(limits, extras, walls)
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the zygote still holds its end of the control socket; it lets go before its guests die."""
        if self._control.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(self._control, select.POLLRDHUP)
        return not poll.poll(0)

    def fork(self, *, ahead: bool = False) -> Guest:
        """Fork a guest.

        Args:
            ahead: Let it warm up and wait until it has, because nobody waits for it. Else it still builds its
                walls, and gets its episode meanwhile.

        Raises:
            SandboxUnavailableError: A wall of a guest that was forked ahead cannot be built.
            SandboxError: The zygote is gone or cannot fork.
        """
        try:
            ours, theirs = _socketpair(socket.SOCK_STREAM)
            with contextlib.ExitStack() as undo:
                undo.callback(ours.close)
                with theirs:
                    (pidfd,) = self._ask(wire.AHEAD if ahead else wire.FORK, [theirs.fileno()])
                undo.pop_all()
                undo.callback(close_guest, Guest(ours, pidfd, 0, walled=False))
                guest = Guest(ours, pidfd, _cpu_clock(pidfd), walled=ahead)
                ours.settimeout(FORK_SECONDS)
                if ahead:
                    wait_until_ready(guest)
                undo.pop_all()
            return guest
        except OSError as error:  # most likely too many open files
            raise SandboxError(f"no new process: {error}; `ulimit -n` may be too low") from error

    def require_alive(self) -> None:
        """Ask for a sign of life: a guest that died before it came did not die with the zygote.

        Raises:
            SandboxError: There is none.
        """
        self._ask(wire.PING, [])

    def close(self) -> None:
        """End the zygote and with it every guest. Idempotent."""
        # A guest that is being forked would miss the end, and what it leaves behind.
        waited = self._lock.acquire(timeout=_CLOSE_SECONDS)
        try:
            self._closed = True
            self._control.close()
        finally:
            if waited:
                self._lock.release()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=_CLOSE_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            if self._process.stderr is not None:
                self._process.stderr.close()
            self.group.close()

    def _boot(self, limits: SandboxLimits, extras: Sequence[str], walls: frozenset[Layer]) -> None:
        modules = dict(tree.CORE)
        modules |= {name: _extra(name) for name in extras}
        distributions = tree.closure(list(modules))
        own_root = Layer.OWN_ROOT in walls
        site = tree.site_directories(distributions)
        config = {
            "walls": sorted(walls),
            "tree": asdict(tree.tree(distributions, walls)),
            "directory": tempfile.gettempdir(),
            "site": list(site.values() if own_root else site),
            "modules": [module for names in modules.values() for module in names],
            "limits": asdict(
                GuestLimits(limits.memory_bytes, limits.threads, limits.tmp_bytes, limits.tmp_files)
            ),
            "bounds": asdict(bounds_of(limits)),
        }
        self._control.settimeout(BOOT_SECONDS)
        try:
            self._control.send(json.dumps(config).encode())
            answer = self._control.recv(_MESSAGE_BYTES)
        except OSError as error:
            raise SandboxError(f"the sandbox process does not answer: {error}") from error
        if answer != READY:
            raise _failure(answer, self._last_words())
        self._control.settimeout(FORK_SECONDS)

    def _ask(self, message: bytes, handles: list[int]) -> list[int]:
        with self._lock:
            if self._closed:
                raise SandboxError("the sandbox process was closed")
            try:
                socket.send_fds(self._control, [message], handles, socket.MSG_NOSIGNAL)
                answer, received, _, _ = socket.recv_fds(self._control, _MESSAGE_BYTES, 1)
            except BaseException as error:
                # A late answer would be taken for the next one's, so a zygote must go when it missed its time
                # or Ctrl-C in the host kept its answer from being read.
                self._process.kill()
                if not isinstance(error, OSError):
                    raise
                raise SandboxError(f"the sandbox process is gone: {error}") from error
        if answer != READY or len(received) != len(handles):
            raise _failure(answer, "")
        return received

    def _last_words(self) -> str:
        """What a zygote that died while starting wrote to its stderr."""
        if self._process.stderr is None:
            return ""
        self._process.kill()
        return self._process.stderr.read().decode("utf-8", "replace").strip()[-2_000:]


def bounds_of(limits: SandboxLimits) -> wire.Bounds:
    """What a guest's reply may hold."""
    return wire.Bounds(
        limits.output_chars, limits.images_per_cell, limits.pixels_per_image, limits.pixels_per_cell
    )


def _extra(name: str) -> tuple[str, ...]:
    if name not in tree.EXTRAS:
        raise SandboxUnavailableError(f"no library {name!r} for the sandbox; known: {', '.join(tree.EXTRAS)}")
    return tree.EXTRAS[name]


def close_guest(guest: Guest) -> None:
    """Kill a guest and free its descriptors."""
    signal_guest(guest, signal.SIGKILL)
    drop_guest(guest)


def drop_guest(guest: Guest) -> None:
    """Free the descriptors of a guest that is another process's business."""
    guest.channel.close()
    os.close(guest.pidfd)


_SOCKETS: weakref.WeakSet[socket.socket] = weakref.WeakSet()
"""All that lead to zygotes and guests, also to those that are being forked."""


def _socketpair(kind: socket.SocketKind) -> tuple[socket.socket, socket.socket]:
    pair = socket.socketpair(socket.AF_UNIX, kind)
    _SOCKETS.update(pair)
    return pair


def _forget_sockets() -> None:
    """In a forked copy of the host: a zygote that it kept a socket of would outlive the host."""
    for one in list(_SOCKETS):
        one.close()


os.register_at_fork(after_in_child=_forget_sockets)


def signal_guest(guest: Guest, number: int) -> None:
    """Send a signal; a guest that is dead already does not mind."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(guest.pidfd, number)


def wait_until_ready(guest: Guest) -> None:
    """Wait until a guest says that its walls stand, or that it has its images.

    Raises:
        SandboxUnavailableError: A wall cannot be built.
        SandboxError: It died, failed, or takes longer than the socket's timeout.
    """
    try:
        header = guest.channel.recv(wire.READY.size, socket.MSG_WAITALL)
        if len(header) < wire.READY.size:
            raise SandboxError("the session's process died while it was set up")
        failed, length = wire.READY.unpack(header)
        if failed:
            raise _failure(LAYER + guest.channel.recv(length, socket.MSG_WAITALL), "")
    except OSError as error:
        raise SandboxError(f"the session's process cannot be set up: {error}") from error


def _cpu_clock(pidfd: int) -> int:
    """As `clock_getcpuclockid(3)` makes it of a process id, which the kernel tells for a handle."""
    handle = os.open(f"/proc/self/fdinfo/{pidfd}", os.O_RDONLY)
    try:
        text = os.read(handle, 4096)
    finally:
        os.close(handle)
    pid = int(text.partition(b"Pid:")[2].split()[0])
    return ~pid << 3 | _CPUCLOCK_SCHED


def _failure(answer: bytes, last_words: str) -> SandboxError:
    kind, text = answer[:1], answer[1:].decode("utf-8", "replace")
    if kind == LAYER:
        name, separator, cause = text.partition("\0")
        if not separator:
            return SandboxError(f"the session's process cannot be set up: {text}")
        return MissingLayerError(Layer(name), cause)
    if kind == FAILED:
        return SandboxError(f"the sandbox process failed: {text}")
    return SandboxError(f"the sandbox process died {last_words or 'without a word'}")
