"""The actors of an environment: more while episodes wait, fewer when idle, new ones for lost ones."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError, UnserializableException

from deepeyes_env.adapters.ray.config import RayConfig
from deepeyes_env.adapters.ray.error import ClusterError, reason
from deepeyes_env.adapters.ray.scaling import actors_wanted

MAX_FAILED_STARTS = 3
"""Actors in a row that do not start before the cause is told: one node may die, three are no accident."""

PAUSE_SECONDS = 15.0
"""Wall time after which failed starts count no more: by Ray's defaults a node that is gone counts as dead by
then, and others may have come."""

END_SECONDS = 5.0
"""Wall time for actors to free their sandboxes before they are killed."""


def is_raised(error: BaseException) -> bool:
    """Whether our own code raised it on a node: not what became of Ray underneath."""
    if isinstance(error, UnserializableException):  # it was, by a class that its own message does not make
        return True
    if not isinstance(error, RayTaskError):
        return False
    # A bare `RayError` stands for an error that could not be sent.
    return not isinstance(error.cause, RayError) or type(error.cause) is RayError


@dataclass(slots=True, eq=False)
class Worker:
    """An actor.

    Attributes:
        handle: Ray's handle of it.
        opening: Reference of its first call.
        node: Id of its node once it has opened, else None.
        held: Slots that are taken.
        idle_since: When it was started or its last slot became free, on the monotonic clock.
    """

    handle: Any
    opening: Any
    node: str | None = None
    held: int = 0
    idle_since: float = field(default_factory=time.monotonic)

    @property
    def ready(self) -> bool:
        """Whether it has opened."""
        return self.node is not None


class Pool:
    """Safe to use from many threads."""

    def __init__(self, start: Callable[[], Any], config: RayConfig, most: int) -> None:
        """Start nothing yet.

        Args:
            start: Starts an `EpisodeActor` and gives its handle.
            config: Slots, bounds and waits.
            most: Most actors.
        """
        self._start = start
        self._config = config
        self._most = most
        self._workers: list[Worker] = []
        self._changed = threading.Condition()
        self._waiting = 0
        self._generation = 0
        self._told: BaseException | None = None
        self._forget_failures()
        self._sweeper: threading.Timer | None = None

    def _forget_failures(self) -> None:
        self._last_failure: BaseException | None = None
        self._failed_starts, self._failed_at = 0, 0.0

    def lease(self, generation: int) -> Worker:
        """Take a slot of the actor that has the most free ones; wait for one, and have actors started for it.

        Args:
            generation: What `generation` was when the episode was to begin.

        Raises:
            ClusterError: None became free in time, actors do not start, or the pool was closed meanwhile.
            Exception: What an actor raised as it opened, such as a `ConfigError`.
        """
        deadline = time.monotonic() + self._config.wait_seconds
        with self._changed:
            self._waiting += 1
            known = self._told
            try:
                while True:
                    if generation != self._generation:
                        raise ClusterError("the episode was not begun: its host was closed while it waited")
                    if (worker := self._freest()) is not None:
                        worker.held += 1
                        return worker
                    self._raise_failures(known)
                    if self._grow():
                        continue  # it may have opened or failed already
                    remaining = deadline - time.monotonic()
                    if remaining <= 0:
                        raise ClusterError(self._shortage())
                    self._changed.wait(min(remaining, PAUSE_SECONDS))  # nobody tells the end of a pause
            finally:
                self._waiting -= 1

    def release(self, worker: Worker) -> None:
        """Give a slot back."""
        with self._changed:
            worker.held -= 1
            worker.idle_since = time.monotonic()
            self._sweep_later()
            self._changed.notify()

    def lost(self, worker: Worker) -> None:
        """Forget an actor that is dead, with all its slots; those who wait get another."""
        with self._changed:
            if worker in self._workers:
                self._workers.remove(worker)
            self._changed.notify_all()

    def end_waiting(self) -> None:
        """Let nobody wait any longer; who asks from now on does."""
        with self._changed:
            self._generation += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End all actors, and the waiting for them. Idempotent; who asks from now on gets new ones."""
        with self._changed:
            self.end_waiting()
            workers, self._workers = self._workers, []
            self._forget_failures()
            if self._sweeper is not None:
                self._sweeper.cancel()
                self._sweeper = None
        _end(workers)

    @property
    def generation(self) -> int:
        """How often waiting has been ended."""
        with self._changed:
            return self._generation

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The actors, those included that are still starting."""
        with self._changed:
            return tuple(self._workers)

    # --- Inside, under the lock ----------------------------------------------------------------------------

    def _freest(self) -> Worker | None:
        free = [worker for worker in self._workers if worker.ready and worker.held < self._config.slots]
        return min(free, key=lambda worker: worker.held, default=None)

    def _wanted(self) -> int:
        episodes = sum(worker.held for worker in self._workers) + self._waiting
        return actors_wanted(episodes, self._config.slots, self._config.min_actors, self._most)

    def _grow(self) -> bool:
        """Start an actor, if there should be another."""
        if len(self._workers) >= self._wanted() or self._stuck:
            return False
        handle = self._start()
        worker = Worker(handle, handle.open.remote())
        self._workers.append(worker)
        worker.opening.future().add_done_callback(partial(self._opened, worker))
        return True

    def _opened(self, worker: Worker, opening: Future[str]) -> None:
        error = opening.exception()
        with self._changed:
            if error is None:
                worker.node, worker.idle_since = opening.result(), time.monotonic()
                self._failed_starts, self._last_failure = 0, None
            elif worker in self._workers:
                self._workers.remove(worker)
                if is_raised(error):
                    self._told = error
                else:
                    self._failed_starts += 1
                    self._last_failure, self._failed_at = error, time.monotonic()
            self._sweep_later()
            self._changed.notify_all()

    @property
    def _stuck(self) -> bool:
        lately = time.monotonic() < self._failed_at + PAUSE_SECONDS
        return lately and self._failed_starts >= MAX_FAILED_STARTS

    def _raise_failures(self, known: BaseException | None) -> None:
        """Tell what a user must mend; or, where no actor is left, why.

        Everybody is told who waited as it happened, and starts nothing more. Whoever comes next tries anew.

        Args:
            known: What had been told before the wait began.
        """
        if self._stuck and not self._workers:
            self._told = self._no_start()
            self._forget_failures()
        if self._told is not None and self._told is not known:
            # A copy: what is raised holds the frames that it goes through, of one thread alone.
            raise copy.copy(self._told) from self._told.__cause__

    def _no_start(self) -> ClusterError:
        cause = self._last_failure
        error = ClusterError(
            f"{MAX_FAILED_STARTS} actors in a row did not start; is this project on all nodes? {cause}"
        )
        error.__cause__ = cause
        return error

    def _shortage(self) -> str:
        ready = sum(worker.ready for worker in self._workers)
        starting = len(self._workers) - ready
        return (
            f"no episode slot became free within {self._config.wait_seconds:g} s: {ready} of at most "
            f"{self._most} actors run, with {self._config.slots} slots each"
            + (f", and {starting} wait for a node with room" if starting else "")
            + "; add nodes, play fewer episodes at once or raise slots, max_actors or wait_seconds"
            + (f"; an actor did not start: {reason(self._last_failure)}" if self._last_failure else "")
        )

    def _sweep_later(self) -> None:
        """End surplus actors when they have been idle for long enough, if there are any by then."""
        if self._sweeper is None and len(self._workers) > self._config.min_actors:
            self._sweeper = threading.Timer(self._config.idle_seconds, self._sweep)
            self._sweeper.daemon = True
            self._sweeper.start()

    def _sweep(self) -> None:
        with self._changed:
            self._sweeper = None
            before = time.monotonic() - self._config.idle_seconds
            idle = [one for one in self._workers if not one.held and one.idle_since <= before]
            surplus = idle[: max(0, len(self._workers) - self._wanted())]
            self._workers = [worker for worker in self._workers if worker not in surplus]
            if any(not one.held for one in self._workers):
                self._sweep_later()
        _end(surplus)


def _end(workers: Sequence[Worker]) -> None:
    """Let actors free what they hold, then kill what is left of them."""
    ends = [worker.handle.__ray_terminate__.remote() for worker in workers if worker.ready]
    if ends:
        ray.wait(ends, num_returns=len(ends), timeout=END_SECONDS)
    for worker in workers:
        ray.kill(worker.handle)
