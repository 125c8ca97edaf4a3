"""One run of the sandbox benchmark: the contenders take turns at each kind of work."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from benchmarks.speed import ipython_kernel, measures, targets
from benchmarks.speed.bare import BareFork, FreshProcess, SocketEcho
from benchmarks.speed.contender import Contender, Session
from benchmarks.speed.ipython_kernel import IPythonKernel
from benchmarks.speed.ours import Ours
from benchmarks.speed.record import Measure, Record, Sample, interleave

INSTALL = "not installed: pip install 'deepeyes-gym[bench]'"
NOT_ROOT = "only root may look into a sandbox's processes"

GROUP = 8
"""Rollouts of one picture."""
LIVE = 4
"""Sessions that share the cores when cells per second are counted."""
ECHOES = 200
"""Round trips per round over the bare socketpair."""

Work = dict[str, Callable[[], Iterable[Sample]]]


class Run:
    """The contenders of one run and what they have measured so far; a context manager that frees them."""

    def __init__(self, rounds: int, threads: int, picture: Path, console: Console) -> None:
        """Start the contenders.

        Args:
            rounds: How often each has its turn at each kind of work.
            threads: Threads that drive sessions where things per second are counted.
            picture: A JPEG file of `cells.WIDTH` x `cells.HEIGHT` pixels.
            console: Shows what is going on.
        """
        self.record = Record()
        self._rounds, self._threads, self._picture, self._console = rounds, threads, picture, console
        with contextlib.ExitStack() as stack:
            self._ours = stack.enter_context(contextlib.closing(Ours()))
            self._by_fork = stack.enter_context(contextlib.closing(Ours(ahead=0)))
            self._echo = stack.enter_context(contextlib.closing(SocketEcho()))
            bare = stack.enter_context(contextlib.closing(BareFork()))
            self._contenders: dict[str, Contender] = {targets.OURS: self._ours, targets.BARE: bare}
            self._has_kernel = not ipython_kernel.missing()
            if self._has_kernel:
                self._contenders[targets.KERNEL] = IPythonKernel()
            self._contenders[targets.FRESH] = FreshProcess()
            self._stack = stack.pop_all()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def starts(self) -> None:
        """Sessions from nothing to their first reply."""
        work = self._each(measures.start)
        work[targets.OURS] = functools.partial(measures.start_from_pool, self._ours)
        work[targets.FORK] = functools.partial(measures.start, self._by_fork)
        if self._has_kernel:
            work[targets.EMPTY_KERNEL] = functools.partial(measures.start, IPythonKernel(libraries=False))
        else:
            self._note([measures.START], [targets.EMPTY_KERNEL], INSTALL)
        self._take_turns([measures.START], work)

    def cell_round_trips(self) -> None:
        """Short cells in one live session each, and the socketpair's round trip."""
        with self._live(1) as live:
            work: Work = {
                name: functools.partial(measures.cell, sessions[0], self._contenders[name].cells)
                for name, sessions in live.items()
            }
            work[targets.ECHO] = lambda: ((measures.CELL, self._echo.round_trip()) for _ in range(ECHOES))
            self._take_turns([measures.CELL], work)

    def pictures(self) -> None:
        """A large picture in and out."""
        work = self._each(measures.pictures, self._picture)
        self._take_turns([measures.PICTURE_IN, measures.PICTURE_OUT], work)

    def episodes(self) -> None:
        """Whole episodes on a large picture, of ours also in a group that shares it."""
        work = self._each(measures.episode, self._picture)
        work[targets.GROUP] = functools.partial(measures.group_episode, self._ours, self._picture, GROUP)
        self._take_turns([measures.EPISODE], work)

    def throughput(self) -> None:
        """Sessions per second, then cells per second."""
        self._take_turns([measures.SESSIONS], self._each(measures.sessions_per_second, self._threads))
        with self._live(LIVE) as live:
            work: Work = {}
            for name, sessions in live.items():
                count = 2 * self._contenders[name].cells
                work[name] = functools.partial(measures.cells_per_second, sessions, self._threads, count)
            self._take_turns([measures.CELLS], work)

    def memory(self, sessions: int) -> None:
        """Private memory of so many idle sessions."""
        # A process per cell has no session to keep.
        kept = {name: one for name, one in self._contenders.items() if name != targets.FRESH}
        kept[targets.OURS] = self._by_fork  # every process that comes is a session
        if not has_psutil():
            self._note([measures.MEMORY, measures.PER_GIB], [*kept, targets.KERNEL], INSTALL)
            return
        import psutil

        self._console.print(measures.MEMORY.name, style="dim")
        for name, one in kept.items():
            try:
                interleave(1, {name: functools.partial(measures.memory, one, sessions)}, self.record)
            except psutil.AccessDenied:
                self._note([measures.MEMORY, measures.PER_GIB], [name], NOT_ROOT)
        if not self._has_kernel:
            self._note([measures.MEMORY, measures.PER_GIB], [targets.KERNEL], INSTALL)

    def churn(self, sessions: int) -> dict[str, int] | None:
        """Count what is left behind by so many sessions of ours; None without psutil."""
        if not has_psutil():
            return None
        from benchmarks.speed.footprint import left_behind

        self._console.print(
            f"{sessions} sessions of ours, then a look for what they left behind", style="dim"
        )
        return left_behind(lambda: measures.churn(self._ours, sessions, LIVE))

    def _each(self, function: Callable[..., Iterable[Sample]], *arguments: object) -> Work:
        return {name: functools.partial(function, one, *arguments) for name, one in self._contenders.items()}

    def _take_turns(self, what: list[Measure], work: Work) -> None:
        self._console.print(", ".join(measure.name for measure in what), style="dim")
        interleave(self._rounds, work, self.record)
        if not self._has_kernel:
            self._note(what, [targets.KERNEL], INSTALL)

    def _note(self, what: list[Measure], names: list[str], text: str) -> None:
        for measure in what:
            for name in names:
                self.record.note(measure, name, text)

    @contextlib.contextmanager
    def _live(self, count: int) -> Iterator[dict[str, list[Session]]]:
        """So many sessions of each contender, each of which has run `cells.FIRST`."""
        with contextlib.ExitStack() as stack:
            yield {
                name: [stack.enter_context(measures.live_session(one)) for _ in range(count)]
                for name, one in self._contenders.items()
            }


def has_psutil() -> bool:
    """Whether processes can be looked into."""
    return find_spec("psutil") is not None
