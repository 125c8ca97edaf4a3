"""What is measured of each contender. Every answer is checked: no time counts without the work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from benchmarks.speed import cells
from benchmarks.speed.contender import Answer, Contender, Session, open_picture
from benchmarks.speed.ours import Ours, decode
from benchmarks.speed.record import Measure, Sample

START = Measure("session start to first reply", "ms", 1e3)
CELL = Measure("cell round trip", "ms", 1e3)
PICTURE_IN = Measure("12 MP JPEG to image_1", "ms", 1e3)
PICTURE_OUT = Measure("12 MP image to the host", "ms", 1e3)
EPISODE = Measure("3-turn 12 MP episode", "ms", 1e3)
SESSIONS = Measure("sessions with one cell", "per s")
CELLS = Measure("cells in live sessions", "per s")
MEMORY = Measure("private memory of an idle session", "MiB", 2.0**-20)
PER_GIB = Measure("idle sessions", "per GiB", 2.0**30)


def start(contender: Contender) -> Iterator[Sample]:
    """From `open` to the first reply."""
    for _ in range(contender.burst):
        yield START, _first_reply(contender)


def start_from_pool(ours: Ours) -> Iterator[Sample]:
    """The same where a process waits for the session."""
    for _ in range(ours.burst):
        ours.wait_for_pool()
        yield START, _first_reply(ours)


def cell(session: Session, count: int) -> Iterator[Sample]:
    """A short cell that computes and prints, in a live session that has run `FIRST`."""
    for _ in range(count):
        begin = time.perf_counter()
        answer = session.run(cells.NEXT)
        yield CELL, time.perf_counter() - begin
        _expect(answer, cells.NEXT_ANSWER)


def pictures(contender: Contender, picture: Path) -> Iterator[Sample]:
    """From a file to `image_1`, and all of it back to a decoded image in the host.

    Where a cell may read files the way in begins in a live session, else it has the session's start in it.
    """
    begin = time.perf_counter()
    if contender.reads_files:
        session = contender.open()
        session.run(cells.FIRST)
        begin = time.perf_counter()
        answer = session.run(f"{open_picture(picture)}\n{cells.SIZE}")
    else:
        session = contender.open(picture)
        answer = session.run(cells.SIZE)
    yield PICTURE_IN, time.perf_counter() - begin
    _expect(answer, cells.SIZE_ANSWER)
    begin = time.perf_counter()
    answer = session.run(cells.SHOW_ALL)
    yield PICTURE_OUT, time.perf_counter() - begin
    session.close()
    _expect_picture(answer, (cells.WIDTH, cells.HEIGHT))


def episode(contender: Contender, picture: Path) -> Iterator[Sample]:
    """A new session: open the picture; crop and show; enlarge, compute and show."""
    begin = time.perf_counter()
    session = contender.open(picture)
    _three_turns(session)
    yield EPISODE, time.perf_counter() - begin
    session.close()


def group_episode(ours: Ours, picture: Path, group: int) -> Iterator[Sample]:
    """The same for a group of rollouts of one picture, per episode, decoding included."""
    begin = time.perf_counter()
    image = decode(picture)
    with ExitStack() as stack:
        sessions = [stack.enter_context(closing(ours.open_decoded(image))) for _ in range(group)]
        for session in sessions:
            _three_turns(session)
        yield EPISODE, (time.perf_counter() - begin) / group


def sessions_per_second(contender: Contender, threads: int) -> Iterator[Sample]:
    """Open, run one cell, close; in so many threads at once."""

    def work() -> int:
        for _ in range(contender.burst):
            with closing(contender.open()) as session:
                _expect(session.run(cells.FIRST), cells.FIRST_ANSWER)
        return contender.burst

    yield SESSIONS, _rate([work] * threads)


def cells_per_second(live: list[Session], threads: int, count: int) -> Iterator[Sample]:
    """Short cells in live sessions, driven by so many threads; each thread takes turns among its own."""

    def work(own: list[Session]) -> Callable[[], int]:
        def run() -> int:
            for number in range(count):
                _expect(own[number % len(own)].run(cells.NEXT), cells.NEXT_ANSWER)
            return count

        return run

    yield CELLS, _rate([work(live[thread::threads]) for thread in range(threads)])


def memory(contender: Contender, count: int) -> Iterator[Sample]:
    """Private memory of so many idle sessions that have run one cell, or two where each takes seconds."""
    from benchmarks.speed.footprint import private_memory

    private = private_memory(contender, count if contender.burst > 1 else 2, cells.FIRST)
    yield MEMORY, private
    yield PER_GIB, 1 / private


def churn(contender: Contender, count: int, live: int) -> None:
    """Open, use and close sessions, some of them at the same time."""
    for _ in range(0, count, live):
        sessions = [contender.open() for _ in range(live)]
        for session in sessions:
            _expect(session.run(cells.FIRST), cells.FIRST_ANSWER)
        for session in sessions:
            session.close()


@contextmanager
def live_session(contender: Contender) -> Iterator[Session]:
    """A session that has run its first cell."""
    with closing(contender.open()) as session:
        _expect(session.run(cells.FIRST), cells.FIRST_ANSWER)
        yield session


def _first_reply(contender: Contender) -> float:
    begin = time.perf_counter()
    with closing(contender.open()) as session:
        answer = session.run(cells.FIRST)
        seconds = time.perf_counter() - begin
    _expect(answer, cells.FIRST_ANSWER)
    return seconds


def _three_turns(session: Session) -> None:
    _expect(session.run(cells.SIZE), cells.SIZE_ANSWER)
    _expect_picture(session.run(cells.CROP), cells.SHOWN)
    answer = session.run(cells.ENLARGE)
    _expect_picture(answer, cells.SHOWN)
    if not answer.text.isdigit():
        raise RuntimeError(f"not a mean: {answer.text!r}")


def _rate(work: list[Callable[[], int]]) -> float:
    with ThreadPoolExecutor(len(work)) as threads:
        begin = time.perf_counter()
        done = sum(threads.map(lambda task: task(), work))
        return done / (time.perf_counter() - begin)


def _expect(answer: Answer, text: str) -> None:
    if answer.text != text:
        raise RuntimeError(f"a benchmark's cell printed {answer.text!r}, not {text!r}")


def _expect_picture(answer: Answer, size: tuple[int, int]) -> None:
    if [image.size for image in answer.images] != [size]:
        raise RuntimeError(f"a benchmark's cell showed {answer.images}, not one picture of {size}")
