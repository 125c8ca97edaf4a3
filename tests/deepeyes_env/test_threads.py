import asyncio
import gc
import queue
import subprocess
import sys
import threading
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepeyes_env.threads import Crew, DaemonThreads

PATIENCE = 60


@given(most=st.integers(1, 5), amount=st.integers(0, 30))
def test_a_crew_does_all_work_and_never_more_at_once_than_it_may(most, amount):
    lock, at_work, highest = threading.Lock(), 0, 0
    done: queue.SimpleQueue[int] = queue.SimpleQueue()

    def work(number):
        nonlocal at_work, highest
        with lock:
            at_work += 1
            highest = max(highest, at_work)
        with lock:
            at_work -= 1
        done.put(number)

    crew = Crew(most)
    for number in range(amount):
        crew.perform(lambda number=number: work(number))
    assert sorted(done.get(timeout=PATIENCE) for _ in range(amount)) == list(range(amount))
    threads = crew.dismiss()
    for thread in threads:
        thread.join(PATIENCE)
    assert highest <= len(threads) <= most
    assert not any(thread.is_alive() for thread in threads)


def test_work_that_waits_for_each_other_gets_a_thread_each():
    together = threading.Barrier(8, timeout=PATIENCE)
    met: queue.SimpleQueue[int] = queue.SimpleQueue()
    crew = Crew()
    for _ in range(2):  # the second time by threads that are idle
        for _ in range(8):
            crew.perform(lambda: met.put(together.wait()))
        assert sorted(met.get(timeout=PATIENCE) for _ in range(8)) == list(range(8))
    assert len(crew.dismiss()) >= 8


def test_a_dismissed_crew_ends_what_it_is_at_and_does_what_waits():
    started, gate = threading.Event(), threading.Event()
    done: list[str] = []
    crew = Crew(1)
    crew.perform(lambda: (started.set(), gate.wait(), done.append("first")))
    crew.perform(lambda: done.append("second"))
    assert started.wait(PATIENCE)
    (thread,) = crew.dismiss()
    gate.set()
    thread.join(PATIENCE)
    assert done == ["first", "second"]


def test_work_that_gets_no_thread_is_not_done_later(monkeypatch):
    done: queue.SimpleQueue[str] = queue.SimpleQueue()
    crew = Crew()
    with monkeypatch.context() as system:
        system.setattr(threading.Thread, "start", _no_more_threads)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            crew.perform(lambda: done.put("refused"))
    crew.perform(lambda: done.put("done"))
    assert done.get(timeout=PATIENCE) == "done"
    for thread in crew.dismiss():
        thread.join(PATIENCE)
    assert done.empty()


def _no_more_threads(thread):
    raise RuntimeError("can't start new thread")


def test_an_idle_thread_keeps_nothing_of_its_last_work():
    class Picture:
        pass

    async def play():
        seen = weakref.ref(picture := Picture())
        await threads.run(lambda picture=picture: picture)
        del picture
        await asyncio.sleep(0.1)
        gc.collect()
        return seen()

    threads = DaemonThreads()
    assert asyncio.run(play()) is None
    threads.close()


def test_an_error_that_nobody_waits_for_any_more_leaves_no_trace():
    async def play():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        given_up = threads.run(lambda: 1 / 0)
        while not given_up.done():
            await asyncio.sleep(0.01)
        del given_up
        gc.collect()

    complaints = []
    threads = DaemonThreads()
    asyncio.run(play())
    threads.close()
    assert complaints == []


HANGS = """
import asyncio, threading
from deepeyes_env.threads import DaemonThreads
async def main():
    DaemonThreads().run(threading.Event().wait)
    await asyncio.sleep(0.1)
asyncio.run(main())
print("done")
"""


def test_a_tool_that_hangs_for_ever_does_not_keep_the_process_from_ending():
    done = subprocess.run([sys.executable, "-c", HANGS], timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
