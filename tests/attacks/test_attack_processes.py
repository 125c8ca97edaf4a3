"""A cell starts no process, signals nobody but itself, and takes only what its limits give."""

import os
from collections.abc import Iterator

import psutil
import pytest

from deepeyes_env.sandbox import CellStatus, LocalSandbox, SandboxLimits
from deepeyes_env.sandbox.local import LocalSession


@pytest.mark.parametrize(
    "call",
    [
        "os.fork()",
        "os.forkpty()",
        "os.system('true') and 1 / 0",
        "os.execv('/bin/sh', ['sh'])",
        "os.posix_spawn('/bin/sh', ['sh'], {})",
        "subprocess.run(['true'])",
        "multiprocessing.Process(target=print).start()",
        "ctypes.CDLL(None, use_errno=True).fork() < 0 and os.strerror(ctypes.get_errno()) == 'x' or 1 / 0",
    ],
)
def test_no_process_is_started(attacker: LocalSession, call: str) -> None:
    result = attacker.run(f"import ctypes, multiprocessing, os, subprocess\n{call}\nprint('started')")
    assert result.status is CellStatus.EXCEPTION
    assert "started" not in result.stdout


def test_a_crash_leaves_no_core_with_the_host() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    sandbox = LocalSandbox(ahead=0)
    sandbox.open([])
    _, zygote, guest = (
        child.pid for child in psutil.Process().children(recursive=True) if child.pid not in before
    )
    # The kernel shows the files of a process that it never dumps as root's; the zygote is the control.
    owners = [os.stat(f"/proc/{pid}/environ").st_uid for pid in (zygote, guest)]
    assert owners[0] != owners[1] == 0
    sandbox.close()


def test_a_fork_bomb_goes_nowhere(attacker: LocalSession) -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
born = 0
for _ in range(200):
    for number, arguments in ((56, (17, 0, 0, 0, 0)), (57, ()), (58, ()), (435, (0, 0))):
        born += libc.syscall(number, *arguments) != -1
print(born)"""
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of x86_64")
    assert attacker.run(code).stdout == "0\n"


@pytest.mark.parametrize(
    "target", ["0", "-1", "HOST", "-HOST", "os.getppid()", "2", "3"], ids=lambda target: f"kill({target})"
)
def test_no_signal_leaves_the_session(attacker: LocalSession, target: str) -> None:
    target = target.replace("HOST", str(os.getpid()))
    result = attacker.run(f"import os, signal\nos.kill({target}, signal.SIGKILL)\nprint('sent')")
    assert result.status is CellStatus.EXCEPTION
    assert "Error" in result.stderr


@pytest.mark.parametrize(
    "call", ["killpg(0, 9)", "killpg(os.getpgid(0), 9)", "pidfd_open(1)", "getpgid(2)", "setsid()"]
)
def test_no_other_handle_on_processes(attacker: LocalSession, call: str) -> None:
    result = attacker.run(f"import os\nos.{call}\nprint('done')")
    assert result.status is CellStatus.EXCEPTION


def test_signals_to_itself_are_its_own_business(attacker: LocalSession) -> None:
    code = "import signal\nsignal.signal(10, lambda *a: print('got it'))\nsignal.raise_signal(10)"
    assert attacker.run(code).stdout == "got it\n"


def test_limits_cannot_be_raised(attacker: LocalSession) -> None:
    code = """
import resource
for name in ('DATA', 'STACK', 'NPROC', 'NOFILE', 'CORE'):
    kind = getattr(resource, 'RLIMIT_' + name)
    soft, hard = resource.getrlimit(kind)
    print(soft == hard != resource.RLIM_INFINITY)
    try: resource.setrlimit(kind, (hard, hard + 1)); print('raised')
    except (OSError, ValueError): pass"""
    assert attacker.run(code).stdout == "True\n" * 5


@pytest.mark.parametrize(
    "code",
    [
        "x = [0]\nwhile True: x += x",
        "x = 'x'\nwhile True: x += x",
        "from PIL import Image\nImage.new('RGB', (40_000, 40_000))",
        "import mmap\nmmap.mmap(-1, 1 << 30, flags=0x22)",  # private, anonymous
        "import mmap\nmmap.mmap(-1, 1 << 20, flags=0x21)",  # shared, anonymous
        "open('/dev/zero', 'rb')",  # mapped shared, it is anonymous memory
        "import mmap\nmmap.mmap(-1, 1 << 30, flags=0x122)",  # as a stack, which no limit on data counts
        "from multiprocessing import shared_memory\nshared_memory.SharedMemory(create=True, size=1 << 30)",
        "import threading, time\nfor _ in range(99): threading.Thread(target=time.sleep, args=(99,)).start()",
        "import os\nx = [os.pipe() for _ in range(99)]",
    ],
)
def test_bombs_end_in_an_exception(attacker: LocalSession, code: str) -> None:
    result = attacker.run(code)
    assert result.status in (CellStatus.EXCEPTION, CellStatus.TIMEOUT), result
    assert result.images == ()


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos._exit(0)",
        "import os\nos.abort()",
        "import ctypes\nctypes.string_at(0)",
        "import threading, os\nthreading.Thread(target=os._exit, args=(1,)).start()\nwhile True: pass",
        "import sys\nsys.setrecursionlimit(10**9)\nclass A: __getattr__ = lambda s, n: getattr(s, n)\nA().x",
    ],
)
def test_a_crash_ends_this_session_only_and_it_reopens(attacker: LocalSession, code: str) -> None:
    attacker.run("kept = 1")
    result = attacker.run(code)
    assert result.status in (CellStatus.CRASHED, CellStatus.EXCEPTION)
    if result.status is CellStatus.CRASHED:
        assert "the process died" in result.stderr
        again = attacker.run("print('kept' in globals())")
        assert again.stdout == "False\n"
        assert again.stderr.startswith("[new process")


@pytest.fixture(scope="module")
def hasty() -> Iterator[LocalSandbox]:
    made = LocalSandbox(SandboxLimits(cell_seconds=0.4, memory_bytes=256 << 20))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("while True: print('x' * 1000)", CellStatus.TIMEOUT),
        ("import re\nre.match('(a+)+$', 'a' * 50 + 'b')", CellStatus.TIMEOUT),
        (
            "while True:\n    try: time.sleep(9)\n    except BaseException: kept = 1",
            CellStatus.KILLED,
        ),
        ("signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ntime.sleep(99)", CellStatus.KILLED),
        ("lock = threading.Lock()\nlock.acquire()\nlock.acquire()", CellStatus.TIMEOUT),
        ("class E(Exception):\n    def __str__(self): time.sleep(99)\nraise E", CellStatus.TIMEOUT),
        ("class R:\n    def __repr__(self): time.sleep(99)\nR()", CellStatus.TIMEOUT),
    ],
)
def test_endless_cells_end_at_the_deadline(hasty: LocalSandbox, code: str, status: CellStatus) -> None:
    session = hasty.open([])
    session.run("import signal, threading, time")
    result = session.run(code)
    assert result.status is status
    assert len(result.stdout) < 10_000
    assert session.run("print('next')").stdout == "next\n"
    session.close()
