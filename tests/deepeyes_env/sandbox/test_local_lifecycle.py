"""Processes come and go as they should, whoever dies first."""

import concurrent.futures
import gc
import io
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from other_users import run_as
from PIL import Image

from deepeyes_env.sandbox import (
    CellStatus,
    LocalSandbox,
    SandboxError,
    SandboxLimits,
    SandboxUnavailableError,
    shared_sandbox,
)

PROJECT = Path(__file__).resolve().parents[3]
PHOTO = Image.new("RGB", (40, 30), "green")


@pytest.fixture
def own() -> Iterator[LocalSandbox]:
    """A sandbox that the test may break, without processes that nobody asked for."""
    made = LocalSandbox(ahead=0)
    yield made
    made.close()


def descendants() -> dict[int, psutil.Process]:
    return {child.pid: child for child in psutil.Process().children(recursive=True)}


def settled() -> set[int]:
    """All descendants, once the sandboxes of other tests have forked what waits for their next sessions."""
    last: set[int] = set()
    while (now := set(descendants())) != last:
        last = now
        time.sleep(0.2)
    return now


def lives(process: psutil.Process) -> bool:
    """Whether it runs; a zombie that its new parent has not reaped yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


@pytest.mark.parametrize("victim", ["launcher", "zygote"])
def test_a_dead_sandbox_process_is_an_error_of_the_sandbox_and_heals(own: LocalSandbox, victim: str) -> None:
    before = settled()
    session = own.open([PHOTO])
    session.run("x = 1")
    ours = [process for pid, process in descendants().items() if pid not in before]
    launcher = next(process for process in ours if process.ppid() == os.getpid())
    (launcher if victim == "launcher" else launcher.children()[0]).send_signal(signal.SIGKILL)
    with pytest.raises(SandboxError, match="took this session with it"):
        session.run("while True: pass")
    with pytest.raises(SandboxError):
        session.run("x")
    session.close()
    fresh = own.open([PHOTO])
    assert fresh.run("print(image_1.size)").stdout == "(40, 30)\n"
    own.close()
    assert eventually(lambda: set(descendants()) <= before)


class Interrupted(BaseException):
    """As Ctrl-C."""


def test_an_interrupted_open_does_not_leave_its_answer_to_the_next(own: LocalSandbox) -> None:
    before = {child.pid for child in psutil.Process().children()}
    own.open([])
    launcher = next(child for child in psutil.Process().children() if child.pid not in before)
    zygote = launcher.children()[0]

    def interrupt(*_: object) -> None:
        raise Interrupted

    handler = signal.signal(signal.SIGALRM, interrupt)
    zygote.suspend()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Interrupted):
            own.open([])
    finally:
        signal.signal(signal.SIGALRM, handler)
        zygote.resume()
    assert eventually(lambda: not lives(zygote))
    assert own.open([]).run("print(1)").stdout == "1\n"


def test_too_many_open_files_are_an_error_of_the_sandbox_when_a_session_reopens(own: LocalSandbox) -> None:
    session = own.open([])
    assert session.run("import os\nos._exit(0)").status is CellStatus.CRASHED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(SandboxError, match="ulimit -n"):
            session.run("1")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert session.run("print(1)").stdout == "1\n"


def test_an_image_that_cannot_be_read_leaves_no_descriptor(own: LocalSandbox) -> None:
    buffer = io.BytesIO()
    PHOTO.save(buffer, "PNG")
    own.open([]).close()
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(SandboxError, match="truncated"):
        own.open([Image.open(io.BytesIO(buffer.getvalue()[:60]))])
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_closing_ends_sessions_in_the_middle_of_a_cell(own: LocalSandbox) -> None:
    before = settled()
    session = own.open([])
    errors: list[Exception] = []

    def run() -> None:
        try:
            session.run("import time\ntime.sleep(60)")
        except SandboxError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.2)
    own.close()
    thread.join(5.0)
    assert len(errors) == 1
    own.close()
    session.close()
    with pytest.raises(SandboxError, match="closed"):
        session.run("1")
    with pytest.raises(SandboxError, match="closed"):
        own.open([])
    assert eventually(lambda: set(descendants()) <= before)


HOST = """
import sys, threading, time
from deepeyes_env.sandbox import LocalSandbox
sandbox = LocalSandbox(slots=8, ahead=3)
cells = ["while True: pass", "import time\\ntime.sleep(99)",
         "import signal\\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\\nwhile True: pass"]
sessions = [sandbox.open([]) for _ in cells]
for session, cell in zip(sessions, cells):
    threading.Thread(target=session.run, args=(cell,)).start()
time.sleep(0.3)
print("running", flush=True)
time.sleep(60)
"""


def test_nothing_outlives_a_killed_host() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOST], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == "running\n"
        processes = psutil.Process(host.pid).children(recursive=True)
        assert len(processes) > 5  # launcher, zygote, three guests, and those that wait
        host.kill()
    assert eventually(lambda: not any(lives(process) for process in processes), 1.0)


def test_two_hundred_sessions_leave_nothing_behind(sandbox: LocalSandbox) -> None:
    sandbox.open([PHOTO]).close()
    gc.collect()
    descriptors, processes = len(os.listdir("/proc/self/fd")), len(settled())
    for number in range(200):
        session = sandbox.open([PHOTO], seed=number)
        if number % 10 == 0:
            assert session.run("image_1").images[0].size == (40, 30)
        session.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert eventually(lambda: len(descendants()) == processes)


def test_many_threads_share_a_sandbox(sandbox: LocalSandbox) -> None:
    def episode(number: int) -> str:
        session = sandbox.open([PHOTO], seed=number)
        session.run(f"x = {number}")
        text = session.run("import random\nprint(x, random.random())").stdout
        session.close()
        return text

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        many = list(pool.map(episode, range(32)))
    assert many == [episode(number) for number in range(32)]


def test_waiting_for_a_run_slot_is_not_charged() -> None:
    sandbox = LocalSandbox(SandboxLimits(cell_seconds=2.0), slots=1)
    sessions = [sandbox.open([]) for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda session: session.run("import time\ntime.sleep(0.6)"), sessions))
    assert [result.status for result in results] == [CellStatus.OK] * 4
    sandbox.close()


def _use_in_a_worker(connection: "multiprocessing.connection.Connection") -> None:
    connection.send(shared_sandbox().open([PHOTO], 1).run("image_1.size").stdout)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_daemonic_worker_has_a_sandbox_of_its_own(method: str) -> None:
    session = shared_sandbox().open([])
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    worker = context.Process(target=_use_in_a_worker, args=(theirs,), daemon=True)
    worker.start()
    assert ours.poll(60)
    assert ours.recv() == "Out[0]: (40, 30)\n"
    worker.join(10)
    assert session.run("print('still here')").stdout == "still here\n"
    session.close()


def test_a_forked_copy_neither_uses_nor_holds_the_sandbox(own: LocalSandbox) -> None:
    before = settled()
    session = own.open([])
    read, write = os.pipe()
    copy = os.fork()
    if copy == 0:
        answers = b""
        for use in (lambda: session.run("1"), lambda: own.open([])):
            try:
                use()
            except SandboxError:
                answers += b"refused "
        os.write(write, answers)
        signal.pause()
    try:
        assert os.read(read, 100) == b"refused refused "
        assert session.run("print(1)").stdout == "1\n"
        own.close()
        # The copy holds no end of the control socket, so everything ends although it lives on.
        assert eventually(lambda: set(descendants()) <= before | {copy})
    finally:
        os.kill(copy, signal.SIGKILL)
        os.waitpid(copy, 0)
        os.close(read)
        os.close(write)


def test_shared_sandboxes_are_one_for_each_set_of_limits() -> None:
    assert shared_sandbox() is shared_sandbox(limits=SandboxLimits())
    assert shared_sandbox() is not shared_sandbox(limits=SandboxLimits(cell_seconds=1.0))


LIMITED = """
import resource
from deepeyes_env.sandbox import LocalSandbox
resource.setrlimit(resource.RLIMIT_FSIZE, (10 << 20, 10 << 20))
session = LocalSandbox().open([])
print(session.run("import resource\\nresource.getrlimit(resource.RLIMIT_FSIZE)").stdout)
"""


def test_lower_limits_of_the_host_stay() -> None:
    result = subprocess.run(
        [sys.executable, "-c", LIMITED], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert result.stdout == "Out[0]: (10485760, 10485760)\n\n", result.stderr


NOBODY = """
import os
from PIL import Image
from deepeyes_env.sandbox import LocalSandbox
sandbox = LocalSandbox()
session = sandbox.open([Image.new("RGB", (5, 4))])
print(os.getuid(), session.run("import os\\nimage_1.size, os.getpid()").stdout)
for code in ("os.kill(0, 9)", "open('/etc/hostname')", "open('/new', 'w')", "os.fork()"):
    print(session.run(code).status)
"""


def test_an_ordinary_user_has_the_same_sandbox() -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests run as an ordinary user already")
    result = run_as("nobody", NOBODY)
    assert result.stdout == "65534 Out[0]: ((5, 4), 1)\n\n" + "exception\n" * 4, result.stderr


def test_extra_libraries_are_there_when_asked_for() -> None:
    pytest.importorskip("scipy")
    sandbox = LocalSandbox(extras=["scipy"])
    session = sandbox.open([PHOTO])
    code = "import numpy as np\nfrom scipy import ndimage\nndimage.label(np.eye(3))[1]"
    assert session.run(code).stdout == "Out[0]: 3\n"
    sandbox.close()


def test_libraries_not_asked_for_are_not_there(sandbox: LocalSandbox) -> None:
    session = sandbox.open([])
    assert "ModuleNotFoundError" in session.run("import scipy").stderr
    session.close()


def test_an_unknown_extra_is_named() -> None:
    with pytest.raises(SandboxUnavailableError, match="no-such-library"):
        LocalSandbox(extras=["no-such-library"]).open([])
