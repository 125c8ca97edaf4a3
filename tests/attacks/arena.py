"""A sandbox, a sibling and a scene: attacks run in it, and their harm is seen. For a child process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from attack import SCAFFOLD, Attack, Wall
from scene import SECRET, SECRET_VARIABLE, Scene

from deepeyes_env.sandbox import CellResult, SandboxError, SandboxLimits
from deepeyes_env.sandbox.local import LocalSession, tree
from deepeyes_env.sandbox.local.guest.layers import LAYERS, Level
from deepeyes_env.sandbox.local.guest.syscalls import numbers
from deepeyes_env.sandbox.local.weakened import weakened

LIMITS = SandboxLimits(
    memory_bytes=64 << 20,
    threads=2,
    output_chars=4_000,
    images_per_cell=4,
    pixels_per_image=250_000,
    tmp_bytes=2 << 20,
    tmp_files=50,
)

SLOTS = 32
"""As many cells as there are attacks that only wait, so that they wait at the same time."""
DEAD = "nothing, three times"

SYSCALLS = numbers(
    """
    ptrace:101/117 process_vm_readv:310/270 kcmp:312/272 pidfd_open:434/434 pidfd_getfd:438/438
    pidfd_send_signal:424/424 kill:62/129 tkill:200/130 tgkill:234/131 rt_sigqueueinfo:129/138
    rt_tgsigqueueinfo:297/240 unshare:272/97 setns:308/268 mount:165/40 umount2:166/39 pivot_root:155/41
    chroot:161/51 mknodat:259/33 name_to_handle_at:303/264 open_by_handle_at:304/265 capset:126/91
    capget:125/90 setgroups:116/159 setpriority:141/140 sched_setaffinity:203/122 sched_setscheduler:144/119
    prlimit64:302/261 clone:56/220 clone3:435/435 execve:59/221 execveat:322/281 memfd_create:319/279
    shmget:29/194 mmap:9/222 setsockopt:54/208 fcntl:72/25 ioctl:16/29 io_uring_setup:425/425 bpf:321/280
    userfaultfd:323/282 keyctl:250/219 add_key:248/217 perf_event_open:298/241 seccomp:317/277 prctl:157/167
    sched_get_priority_max:146/125 sched_getscheduler:145/120 timerfd_create:283/85 inotify_init1:294/26
    landlock_create_ruleset:444/444 mq_open:240/180 mq_unlink:241/181 semget:64/190 fchmodat:268/53
    personality:135/92 socket:41/198
    """
)

PRELUDE = """
import contextlib, ctypes, errno, os, signal, socket, struct, sys, tempfile, threading, time
from types import SimpleNamespace
host = SimpleNamespace(**{facts!r})
room = tempfile.gettempdir()
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(name, *arguments):
    ctypes.set_errno(0)
    given = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long({numbers!r}[name]), *given)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def breach(*words):
    print('BREACH', *words)
def each(*attempts):
    for attempt in attempts:
        try:
            attempt()
        except (OSError, MemoryError, RuntimeError, ValueError) as error:
            print('REFUSED', type(error).__name__, error)
"""
"""What attackers know and have at hand. `each` goes on after an attempt that is refused."""

SIBLING = """
import os, signal, tempfile
hits = []
signal.signal(signal.SIGWINCH, lambda *_: hits.append('hit'))
handle, file = tempfile.mkstemp('of-the-sibling')
os.write(handle, b'alive')
print(os.getpid(), file, hex(id(hits)))
"""
"""SIGWINCH, because everybody who does not ask for it ignores it: an attack that succeeds kills nobody."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attack has achieved."""

    result: CellResult | None
    harm: list[str]
    """What has happened to the host."""
    broken: list[str]
    """What has happened to the sandbox and the sibling."""
    following: str
    """What the next cell of the same session printed."""

    @property
    def succeeded(self) -> bool:
        """Whether it says so, or the host can see it."""
        return bool(self.harm or self.broken) or (self.result is not None and "BREACH" in self.result.stdout)


class Arena:
    """One sandbox under attack."""

    def __init__(self, level: Level, standing: Wall | None, ahead: int) -> None:
        """Start the sandbox.

        Args:
            level: Its level.
            standing: The layers that stand beside the scaffold; None for all of them.
            ahead: Processes to fork in advance.
        """
        self._level = level
        self._ahead = ahead
        self._without = frozenset() if standing is None else LAYERS[level] - SCAFFOLD - standing
        self._scene = Scene()
        # A library that anybody may write to stands for the real ones, which no test may touch.
        tree._SYSTEM += (str(self._scene.library),)
        try:
            self._open()
        except BaseException:
            self._scene.close()
            raise

    def run(self, attacks: Sequence[Attack]) -> list[Outcome]:
        """Let attacks happen, all at the same time, and look at the damage, which they share."""
        descriptors = len(os.listdir("/proc/self/fd"))
        with ThreadPoolExecutor(len(attacks)) as pool:
            endings = list(pool.map(self._attempt, attacks))
        harm, broken = self._scene.harm(), self._broken()
        # Those that wait for an episode come and go as they like.
        if len(os.listdir("/proc/self/fd")) > descriptors and not self._ahead:
            harm.append("the host has more descriptors")
        return [Outcome(result, harm, broken + failed, following) for result, following, failed in endings]

    def restore(self, after: Outcome) -> None:
        """Make everything whole again."""
        self._scene.restore(dead=any("victim" in word for word in after.harm))
        if after.broken:
            self._end_sandbox()
            self._open()

    def close(self) -> None:
        """Leave nothing behind."""
        self._end_sandbox()
        self._scene.close()

    def _open(self) -> None:
        os.environ[SECRET_VARIABLE] = SECRET
        self._sandbox = weakened(
            LIMITS, level=self._level, without=self._without, slots=SLOTS, ahead=self._ahead
        )
        self._sibling = self._sandbox.open([])
        del os.environ[SECRET_VARIABLE]
        told = _must(self._sibling, SIBLING).split()
        self._of_sibling = dict(zip(("sibling", "sibling_file", "sibling_address"), told, strict=True))

    def _attempt(self, attack: Attack) -> tuple[CellResult | None, str, list[str]]:
        result, following = None, ""
        try:
            with contextlib.closing(self._sandbox.open([])) as session:
                _must(session, PRELUDE.format(facts=self._facts(), numbers=SYSCALLS))
                if attack.setup:
                    _must(session, attack.setup)
                result = session.run(attack.code, attack.seconds)
                following = _following(session)
        except SandboxError as error:
            return result, following, [f"the sandbox failed: {error}"]
        return result, following, []

    def _end_sandbox(self) -> None:
        self._sandbox.close()
        # With neither a root nor a /tmp of its own, the sibling has written into the host's.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._of_sibling["sibling_file"])

    def _facts(self) -> dict[str, object]:
        return self._scene.facts() | self._of_sibling | {"sibling": int(self._of_sibling["sibling"])}

    def _broken(self) -> list[str]:
        found = []
        try:
            seen = self._sibling.run("print(open(file).read(), *hits)")
            if seen.stdout != "alive\n":
                found.append(f"the sibling says {seen}")
            with contextlib.closing(self._sandbox.open([])) as fresh:
                seen = fresh.run("print(1 + 1)")
                if seen.stdout != "2\n" or seen.stderr:
                    found.append(f"a new session says {seen}")
        except SandboxError as error:
            found.append(f"the zygote does not work: {error}")
        return found


def _must(session: LocalSession, code: str) -> str:
    result = session.run(code)
    if not result.ok:
        raise AssertionError(f"not an attack, but failed: {result}")
    return result.stdout


def _following(session: LocalSession) -> str:
    """What the same session answers afterwards: at the latest a new process must."""
    answers = [session.run("print('again')").stdout for _ in range(3)]
    return answers[0] if "again\n" in answers else DEAD
