"""Processes forked ahead, run slots, the number of sessions: bounded, fair, and nobody sees a difference."""

import concurrent.futures
import os
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from PIL import Image

from deepeyes_env.errors import ConfigError
from deepeyes_env.sandbox import CellStatus, LocalSandbox, LocalSandboxConfig, SandboxError, SandboxLimits
from deepeyes_env.sandbox.local.slots import Slots

PHOTO = Image.new("RGB", (40, 30), "green")
STATE = """
import gc, os, random, sys, tempfile, threading, numpy as np
print(sorted(name for name in globals() if not name.startswith('__')), sorted(os.listdir('/tmp')))
print(random.random(), np.random.rand(), random.randrange(9), os.getpid(), threading.active_count())
print(len(sys.modules), gc.isenabled(), '_' in globals())
1 / 0"""


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


@pytest.fixture(scope="module")
def pooled() -> Iterator[LocalSandbox]:
    made = LocalSandbox(SandboxLimits(cell_seconds=10), ahead=3)
    made.open([]).close()
    yield made
    made.close()


def test_so_many_wait_and_no_more(pooled: LocalSandbox) -> None:
    assert eventually(lambda: pooled.usage.ahead == 3)
    session = pooled.open([])
    assert eventually(lambda: pooled.usage.ahead == 3)
    time.sleep(0.1)
    assert pooled.usage.ahead == 3
    session.close()


def test_a_session_cannot_tell_whether_its_process_waited(
    pooled: LocalSandbox, sandbox: LocalSandbox
) -> None:
    assert eventually(lambda: pooled.usage.ahead > 0)
    waited, forked = (one.open([PHOTO], seed=5) for one in (pooled, sandbox))
    results = [session.run(STATE) for session in (waited, forked)]
    assert results[0].stdout == results[1].stdout != ""
    assert results[0].stderr == results[1].stderr
    waited.close()
    forked.close()


def test_collections_are_due_at_the_same_time_in_every_session(pooled: LocalSandbox) -> None:
    code = "import gc\ngc.get_count()"
    sessions = [pooled.open([PHOTO]) for _ in range(12)]
    assert len({session.run(code).stdout for session in sessions}) == 1
    for session in sessions:
        session.close()


def test_more_sessions_than_wait_are_forked_at_once(pooled: LocalSandbox) -> None:
    sessions = [pooled.open([PHOTO], seed=number) for number in range(12)]
    assert [session.run(f"print({number})").stdout for number, session in enumerate(sessions)] == [
        f"{number}\n" for number in range(12)
    ]
    assert pooled.usage.sessions == 12
    for session in sessions:
        session.close()
    assert pooled.usage.sessions == 0


def test_a_process_that_dies_while_it_waits_costs_nobody_anything() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    made = LocalSandbox(ahead=2)
    made.open([]).close()
    assert eventually(lambda: made.usage.ahead == 2)
    ours = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    launcher = next(child for child in ours if child.ppid() == os.getpid())
    (zygote,) = launcher.children()
    for waiting in zygote.children():
        waiting.kill()
    session = made.open([PHOTO])
    assert session.run("print(image_1.size)").stdout == "(40, 30)\n"
    made.close()


def test_nothing_waits_after_the_end() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    descriptors = len(os.listdir("/proc/self/fd"))
    made = LocalSandbox(ahead=4)
    made.open([])
    made.close()  # in the middle of the forking
    assert eventually(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)
    assert eventually(lambda: {child.pid for child in psutil.Process().children(recursive=True)} <= before)
    assert made.usage.ahead == 0


def test_one_session_too_many_is_refused_with_the_name_of_the_limit() -> None:
    made = LocalSandbox(ahead=0, max_sessions=2)
    first, _ = made.open([]), made.open([])
    with pytest.raises(SandboxError, match="max_sessions = 2"):
        made.open([])
    first.close()
    assert made.open([]).run("print(1)").stdout == "1\n"
    made.close()


def test_a_session_that_is_too_old_ends_and_its_memory_goes() -> None:
    made = LocalSandbox(SandboxLimits(session_seconds=0.5), ahead=0)
    session = made.open([PHOTO])
    assert session.run("print(1)").stdout == "1\n"
    assert eventually(lambda: made.usage.sessions == 0)
    with pytest.raises(SandboxError, match=r"session_seconds = 0\.5"):
        session.run("1")
    assert made.open([]).run("print(2)").stdout == "2\n"
    made.close()


def test_a_cell_outlasts_the_end_of_its_session() -> None:
    made = LocalSandbox(SandboxLimits(session_seconds=0.3), ahead=0)
    session = made.open([])
    assert session.run("import time\ntime.sleep(0.6)\nprint('done')").stdout == "done\n"
    with pytest.raises(SandboxError):
        session.run("1")
    made.close()


def test_processor_time_of_all_threads_is_limited() -> None:
    made = LocalSandbox(SandboxLimits(cell_seconds=60, cell_cpu_seconds=0.4), ahead=0)
    session = made.open([])
    begin = time.monotonic()
    result = session.run("kept = 1\nwhile True: pass")
    assert result.status is CellStatus.TIMEOUT
    assert "cell_cpu_seconds = 0.4" in result.stderr
    assert session.run("import time\ntime.sleep(1.0)\nprint(kept)").stdout == "1\n"  # waiting costs none
    stubborn = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass"
    result = session.run(stubborn)
    assert result.status is CellStatus.KILLED
    assert "cell_cpu_seconds = 0.4" in result.stderr
    assert time.monotonic() - begin < 30
    made.close()


def test_a_thread_that_outlives_its_cell_is_frozen(sandbox: LocalSandbox) -> None:
    session = sandbox.open([])
    code = """
import threading, time
count = 0
def work():
    global count
    while True: count += 1
threading.Thread(target=work, daemon=True).start()
time.sleep(0.05)"""
    session.run(code)
    time.sleep(0.2)
    first = int(session.run("print(count)").stdout)
    time.sleep(0.2)
    session.run("before = count")
    time.sleep(1.0)
    during = int(session.run("print(count - before)").stdout)
    running = int(session.run("before = count\ntime.sleep(1.0)\nprint(count - before)").stdout)
    assert first > 0
    assert during < running / 2  # it had a fiftieth of a second, and the cells' own time
    session.close()


def test_slots_go_to_those_who_came_first() -> None:
    slots = Slots(1)
    order: list[int] = []

    def work(number: int) -> None:
        with slots:
            order.append(number)

    threads = []
    with slots:
        for number in range(20):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            assert eventually(lambda number=number: slots.waiting == number + 1)  # type: ignore[misc]
    for thread in threads:
        thread.join()
    assert order == list(range(20))
    assert (slots.taken, slots.waiting) == (0, 0)


def test_no_more_cells_run_than_there_are_slots() -> None:
    made = LocalSandbox(slots=2, ahead=0)
    sessions = [made.open([]) for _ in range(6)]
    most = 0
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(session.run, "import time\ntime.sleep(0.2)") for session in sessions]
        while not all(future.done() for future in futures):
            most = max(most, made.usage.cells)
            time.sleep(0.005)
    assert most == 2
    assert (made.usage.cells, made.usage.queued, made.usage.opened, made.usage.starts) == (0, 0, 6, 1)
    made.close()


@pytest.mark.parametrize(
    "setting", ["ahead=-1", "max_sessions=0", "slots=0", "memory_share=0", "memory_share=1.5"]
)
def test_numbers_out_of_range_are_named(setting: str) -> None:
    name, value = setting.split("=")
    with pytest.raises(ConfigError, match=f"{name} = {value}: must be "):
        LocalSandbox(**{name: float(value) if "." in value else int(value)})  # type: ignore[arg-type]


def test_the_configuration_has_the_same_defaults() -> None:
    config, made = LocalSandboxConfig(), LocalSandbox()
    assert (config.ahead, config.max_sessions) == (made._ahead, made._sessions.most)
    made.close()
