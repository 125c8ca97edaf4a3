"""What no cell shows: sessions, sandboxes and hosts come and go. For a child process (`test_host.py`)."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from arena import LIMITS, PRELUDE, SYSCALLS
from attacks_on_time import ATTACKS as ENDLESS
from attacks_on_time import CLOCK, SHORT
from PIL import Image
from scene import kill, still_runs

from deepeyes_env.sandbox import CellStatus, SandboxError
from deepeyes_env.sandbox.local import LocalSandbox
from deepeyes_env.sandbox.local.guest.layers import LAYERS, Layer, Level
from deepeyes_env.sandbox.local.weakened import weakened

PHOTO = Image.new("RGB", (40, 30), "green")
LOOP = "while True: pass"


@contextlib.contextmanager
def opened(level: Level, without: Set[Layer] = frozenset()) -> Iterator[LocalSandbox]:
    sandbox = weakened(LIMITS, level=level, without=without, slots=32)
    try:
        yield sandbox
    finally:
        sandbox.close()


def processes(host: int | None = None) -> tuple[list[int], list[int], list[int]]:
    """The launchers, zygotes and guests of a host."""
    launchers = psutil.Process(host).children()
    zygotes = [zygote for launcher in launchers for zygote in launcher.children()]
    guests = [guest.pid for zygote in zygotes for guest in zygote.children()]
    return [launcher.pid for launcher in launchers], [zygote.pid for zygote in zygotes], guests


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def cells_that_end_at_their_deadline_would_not_end_without_it(level: Level) -> None:
    # The control of `attacks_on_time`: the same cells, but with more time.
    attacks = [attack for attack in ENDLESS if attack.inside == CLOCK]
    with opened(level) as sandbox, ThreadPoolExecutor(len(attacks)) as pool:
        sessions = [sandbox.open([]) for _ in attacks]
        for session in sessions:
            assert session.run(PRELUDE.format(facts={}, numbers=SYSCALLS)).ok
        running = [
            pool.submit(session.run, attack.code) for session, attack in zip(sessions, attacks, strict=True)
        ]
        time.sleep(2 * SHORT)
        ended = [attack.name for attack, run in zip(attacks, running, strict=True) if run.done()]
        sandbox.close()
    assert not ended


def threads_that_outlive_their_cell_burn_no_time(level: Level) -> None:
    with opened(level) as sandbox:
        session = sandbox.open([])
        assert session.run(f"import threading\nthreading.Thread(target=exec, args=({LOOP!r},)).start()").ok
        (guest,) = processes()[2]

        def burns(seconds: float) -> bool:
            before = psutil.Process(guest).cpu_times().user
            return eventually(lambda: psutil.Process(guest).cpu_times().user > before, seconds)

        assert eventually(lambda: psutil.Process(guest).status() == psutil.STATUS_STOPPED)
        assert not burns(0.3)
        os.kill(guest, signal.SIGCONT)  # the control: nothing but the stop holds it
        assert burns(5.0)


def the_time_of_a_cell_bounds_that_of_its_threads(level: Level) -> None:
    with opened(level) as sandbox:
        session = sandbox.open([])
        start = f"for _ in range(2): threading.Thread(target=exec, args=({LOOP!r},)).start()"
        result = session.run(f"import threading\n{start}\n{LOOP}", 0.3)
        assert result.status in (CellStatus.TIMEOUT, CellStatus.KILLED)
        used = [sum(psutil.Process(guest).cpu_times()[:2]) for guest in processes()[2]]
        assert all(time < 4.0 for time in used)  # the deadline, the grace and the set-up


def many_bombs_at_once_leave_the_host_alone(level: Level) -> None:
    with opened(level) as sandbox, ThreadPoolExecutor(8) as pool:
        sessions = [sandbox.open([]) for _ in range(8)]
        bombs = ["x = [0]\nwhile True: x += x", "kept = []\nwhile True: kept.append(bytes(1 << 20))"] * 4
        results = list(pool.map(lambda session, bomb: session.run(bomb), sessions, bombs))
        assert {result.status for result in results} == {CellStatus.EXCEPTION}
        assert all(session.run("x = kept = None\nprint(1)").stdout == "1\n" for session in sessions)


def the_kernel_kills_guests_first(level: Level) -> None:
    def scores(without: Set[Layer]) -> list[str]:
        with opened(level, without) as sandbox:
            assert sandbox.open([]).run("1").ok  # its walls stand
            return [Path(f"/proc/{pid}/oom_score_adj").read_text().strip() for pid in processes()[2]]

    own = Path("/proc/self/oom_score_adj").read_text().strip()
    assert scores(frozenset()) == ["1000"] != [own]
    assert scores({Layer.FIRST_TO_DIE}) == [own]


TRAINER = """
import signal, sys, threading, time
from deepeyes_env.sandbox.local.guest.layers import Layer, Level
from deepeyes_env.sandbox.local.weakened import weakened
without = frozenset(map(Layer, sys.argv[2].split(",")[:-1]))
sandbox = weakened(level=Level(sys.argv[1]), without=without, slots=8)
cells = ["while True: pass", "import time\\ntime.sleep(99)",
         "import signal\\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\\nwhile True: pass"]
sessions = [sandbox.open([]) for _ in cells]
for session, cell in zip(sessions, cells):
    threading.Thread(target=session.run, args=(cell,), daemon=True).start()
time.sleep(0.3)
print("running", flush=True)
time.sleep(60)
"""


def left_by_a_killed_host(level: Level, without: Set[Layer], *, with_launcher: bool) -> int:
    """How many processes a killed host leaves whose guests were busy; the launcher may be killed with it."""
    script = f"import sys\nsys.path[:0] = {sys.path!r}\n" + TRAINER
    names = "".join(f"{layer}," for layer in without)
    command = [sys.executable, "-B", "-c", script, level.value, names]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as host:
        try:
            assert host.stdout is not None
            assert host.stdout.readline() == "running\n"
            launchers, zygotes, guests = processes(host.pid)
            assert (len(launchers), len(zygotes), len(guests)) == (1, 1, 3)
            if with_launcher:
                kill(launchers[0])
        finally:
            host.kill()
    everybody = [*launchers, *zygotes, *guests]
    try:
        eventually(lambda: not any(map(still_runs, everybody)), 2.0)
        return sum(map(still_runs, everybody))
    finally:
        for pid in everybody:
            if still_runs(pid):
                kill(pid)


def nothing_outlives_a_killed_host(level: Level) -> None:
    assert left_by_a_killed_host(level, frozenset(), with_launcher=False) == 0
    assert left_by_a_killed_host(level, frozenset(), with_launcher=True) == 0
    guests = {Layer.PARENT_DEATH_SIGNAL}
    if level is Level.FULL:
        namespaces = {Layer.PID_NAMESPACE, Layer.GUEST_PID_NAMESPACE}
        assert left_by_a_killed_host(level, guests, with_launcher=False) == 0
        assert left_by_a_killed_host(level, namespaces, with_launcher=False) == 0
        assert left_by_a_killed_host(level, guests | namespaces, with_launcher=False) > 0
    else:  # the launcher is the janitor
        assert left_by_a_killed_host(level, guests, with_launcher=False) == 0
        assert left_by_a_killed_host(level, guests, with_launcher=True) > 0


def a_killed_zygote_is_an_error_of_the_sandbox_and_heals(level: Level) -> None:
    for victim in range(2):  # the launcher, the zygote
        with opened(level) as sandbox:
            session = sandbox.open([PHOTO])
            session.run("x = 1")
            kill(processes()[victim][0])
            for cell in (LOOP, "x"):
                try:
                    session.run(cell)
                except SandboxError:
                    continue
                raise AssertionError("no SandboxError")
            session.close()
            assert sandbox.open([PHOTO]).run("print(image_1.size)").stdout == "(40, 30)\n"
        assert eventually(lambda: processes() == ([], [], []))


def the_zygote_outlives_the_thread_that_started_it(level: Level) -> None:
    with opened(level) as sandbox, ThreadPoolExecutor(1) as pool:
        session = pool.submit(sandbox.open, [PHOTO]).result()
        pool.shutdown()
        time.sleep(0.1)
        assert session.run("print(image_1.size)").stdout == "(40, 30)\n"
        assert sandbox.open([]).run("print(1)").stdout == "1\n"
    # The control: with a parent-death signal such a process dies with the thread and not with the parent.
    code = "import ctypes, time\nctypes.CDLL(None).prctl(1, 9, 0, 0, 0)\nprint(flush=True)\ntime.sleep(60)"
    started: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        started.append(subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE))
        started[0].stdout.readline()  # type: ignore[union-attr]

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    try:
        assert eventually(lambda: started[0].poll() is not None)
    finally:
        started[0].kill()
        started[0].communicate()


def sessions_leave_nothing_behind(level: Level) -> None:
    def held() -> list[int]:
        gc.collect()
        zygote = processes()[1][0]
        rooms = os.listdir(os.path.dirname(home)) if level is not Level.FULL else []
        mounts = [
            len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines()) for pid in (os.getpid(), zygote)
        ]
        things = [
            os.listdir("/proc/self/fd"),
            threading.enumerate(),
            psutil.Process().children(recursive=True),
            rooms,
        ]
        return [*map(len, things), *mounts]

    with opened(level) as sandbox:
        first = sandbox.open([PHOTO])
        home = first.run("import os\nprint(os.getcwd())").stdout.strip()
        first.close()
        assert eventually(lambda: not processes()[2])
        before = held()
        for number in range(250):
            session = sandbox.open([PHOTO], seed=number)
            if number % 10 == 0:
                assert session.run("open('x', 'w').write('x')\nimage_1").images[0].size == (40, 30)
            if number % 50 == 1:
                assert session.run("import os\nos._exit(1)").status is CellStatus.CRASHED
            session.close()
        assert eventually(lambda: held() == before), (held(), before)
        kept = sandbox.open([PHOTO])
        assert held() != before  # the control: one that is not closed is seen
        kept.close()


def an_interrupt_never_strikes_the_next_cell(level: Level) -> None:
    with opened(level) as sandbox:
        session = sandbox.open([])
        session.run("import time")
        struck = 0
        for number in range(12):
            result = session.run(f"time.sleep({0.094 + number / 1000})", 0.1)
            assert result.status in (CellStatus.OK, CellStatus.TIMEOUT)
            struck += result.status is CellStatus.TIMEOUT
            assert session.run("print(sum(range(1000)))").stdout == "499500\n"
        assert struck  # the control: the interrupt was on its way


def descriptors_that_a_guest_sends_are_dropped(level: Level) -> None:
    # The control of the attack of that name: whoever asks for descriptors gets them.
    ours, theirs = socket.socketpair()
    with ours, theirs:
        socket.send_fds(theirs, [b"x"], [0])
        received = socket.recv_fds(ours, 1, 1)[1]
        assert len(received) == 1
        os.close(received[0])
        before = len(os.listdir("/proc/self/fd"))
        socket.send_fds(theirs, [b"x"], [0])
        ours.recv_into(bytearray(1))  # as the session reads
        assert len(os.listdir("/proc/self/fd")) == before


def every_layer_is_seen_from_outside(level: Level) -> None:
    with opened(level) as sandbox:
        assert sandbox.open([]).run("1").ok
        real = _layers(processes()[2][0])
    nothing = LAYERS[level] - {Layer.USER_NAMESPACE, Layer.MOUNT_NAMESPACE, Layer.PRIVATE_DIRECTORY}
    if os.geteuid() != 0:  # who needs it for what stands in both
        nothing -= {Layer.UNPRIVILEGED_USER, Layer.NO_NEW_PRIVILEGES}
    with opened(level, nothing) as sandbox:
        assert sandbox.open([]).run("1").ok
        bare = _layers(processes()[2][0])
    wanted = {layer for layer in real if layer in LAYERS[level]}
    if os.geteuid() != 0 and level is not Level.FULL:
        wanted -= {
            Layer.THREADS_LIMIT,
            Layer.NO_CAPABILITIES,
        }  # he is counted with others, and has none to lose
    assert {layer for layer in wanted if not real[layer]} == set()
    assert {layer for layer in wanted & nothing if bare[layer]} == set()


def _layers(guest: int) -> dict[Layer, bool]:
    """What the host can see of a guest's layers."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{guest}/status").read_text().splitlines())
    limits = {
        line[:25].strip(): line[25:].split()[1]
        for line in Path(f"/proc/{guest}/limits").read_text().splitlines()
    }
    bounds = {
        Layer.DATA_LIMIT: ("Max data size", 1 << 30),
        Layer.ADDRESS_SPACE_LIMIT: ("Max address space", 1 << 33),
        Layer.STACK_LIMIT: ("Max stack size", 8 << 20),
        Layer.FILE_SIZE_LIMIT: ("Max file size", LIMITS.tmp_bytes),
        Layer.THREADS_LIMIT: ("Max processes", LIMITS.threads + 1),
        Layer.DESCRIPTORS_LIMIT: ("Max open files", 64),
        Layer.CORE_LIMIT: ("Max core file size", 0),
        Layer.LOCKED_MEMORY_LIMIT: ("Max locked memory", 0),
        Layer.MESSAGE_QUEUES_LIMIT: ("Max msgqueue size", 0),
    }
    found = {
        layer: limits[name] != "unlimited" and int(limits[name]) <= bound
        for layer, (name, bound) in bounds.items()
    }
    capabilities = ("CapInh", "CapPrm", "CapEff", "CapAmb")
    found |= {
        Layer.SECCOMP: status["Seccomp"].strip() == "2",
        Layer.NO_NEW_PRIVILEGES: status["NoNewPrivs"].strip() == "1",
        Layer.NO_CAPABILITIES: all(int(status[name], 16) == 0 for name in capabilities),
        Layer.SESSION: os.getsid(guest) == guest,
        Layer.NOT_DUMPABLE: os.stat(f"/proc/{guest}/environ").st_uid == 0
        and int(status["Uid"].split()[0]) != 0,
        Layer.PID_NAMESPACE: len(status["NSpid"].split()) > 1,
        Layer.GUEST_PID_NAMESPACE: len(status["NSpid"].split()) > 2,
    }
    if os.geteuid() == 0:
        found[Layer.UNPRIVILEGED_USER] = int(status["Uid"].split()[0]) != 0
        for layer, name in (
            (Layer.NETWORK_NAMESPACE, "net"),
            (Layer.IPC_NAMESPACE, "ipc"),
            (Layer.UTS_NAMESPACE, "uts"),
            (Layer.CGROUP_NAMESPACE, "cgroup"),
        ):
            found[layer] = os.readlink(f"/proc/{guest}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}")
        found[Layer.CLEAN_ENVIRONMENT] = b"PATH=" not in Path(f"/proc/{guest}/environ").read_bytes()
        descriptors = len(os.listdir(f"/proc/{guest}/fd"))
        found[Layer.CLOSED_DESCRIPTORS] = descriptors == 4
        own_root = os.stat(f"/proc/{guest}/root").st_dev != os.stat("/").st_dev
        found[Layer.OWN_ROOT] = own_root
    return found


CHECKS = (
    cells_that_end_at_their_deadline_would_not_end_without_it,
    threads_that_outlive_their_cell_burn_no_time,
    the_time_of_a_cell_bounds_that_of_its_threads,
    many_bombs_at_once_leave_the_host_alone,
    the_kernel_kills_guests_first,
    nothing_outlives_a_killed_host,
    a_killed_zygote_is_an_error_of_the_sandbox_and_heals,
    the_zygote_outlives_the_thread_that_started_it,
    sessions_leave_nothing_behind,
    an_interrupt_never_strikes_the_next_cell,
    descriptors_that_a_guest_sends_are_dropped,
    every_layer_is_seen_from_outside,
)
