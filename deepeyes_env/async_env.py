"""DeepEyesAsyncEnv: episodes whose turns are awaited, for whoever drives many of them from one event loop.

    episode = await env.begin(index=17, split="train", seed=3)
    result = await episode.step(text)          # the tool runs in a thread; nobody else waits
    await episode.close()

The rules are those of the other two shells: the same runner, the same `info`, the same bytes.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from deepeyes_env.config import ConfigError, EnvConfig
from deepeyes_env.env import check_action
from deepeyes_env.episode import Observation
from deepeyes_env.host import Host, Place, Runner, draw_place, open_host
from deepeyes_env.runner import StepResult
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.search import SearchEngine
from deepeyes_env.task import Split, Task, TaskSource
from deepeyes_env.telemetry import Telemetry
from deepeyes_env.threads import DaemonThreads

MAX_TOOLS = 64
"""Most tools at work at once by default: they mostly wait, but cells share the machine's cores."""

T = TypeVar("T")


class ToolTimeout(Exception):
    """A turn was not performed in time. Its thread cannot be stopped and is left to itself."""


class DeepEyesAsyncEnv:
    """Any number of episodes over one task source, one sandbox and one search engine.

    Attributes:
        num_envs: Episodes that a driver should run at once.
        config: The settings.
        tasks: Where tasks come from.
        search_engine: What the search tools ask, or None.
    """

    def __init__(
        self,
        num_envs: int = 1,
        config: EnvConfig | None = None,
        *,
        tasks: TaskSource | None = None,
        sandbox: Sandbox | None = None,
        remote: str | Host | None = None,
        workers: int | None = None,
        **overrides: Any,
    ) -> None:
        """Open what episodes need.

        Args:
            num_envs: Episodes that a driver should run at once.
            config: Settings; the defaults are the generated world and the local sandbox.
            tasks: A task source to use in place of `config.source`.
            sandbox: A sandbox to use in place of `config.sandbox_backend`. It stays the caller's to close.
            remote: Address of a `deepeyes serve env`, or another host; see `DeepEyesEnv`.
            workers: Most turns performed at once, and most episodes begun at once; default: `num_envs`, at
                most `MAX_TOOLS`.
            **overrides: Fields of `EnvConfig` that replace those of `config`.

        Raises:
            ConfigError: An unknown key or a bad value.
        """
        for name, value in (("num_envs", num_envs), ("workers", 1 if workers is None else workers)):
            if value < 1:
                raise ConfigError(f"{name} = {value}: must be at least 1")
        self.num_envs = num_envs
        self._host = open_host(config, overrides, tasks, sandbox, remote)
        self.config, self.tasks = self._host.config, self._host.tasks
        self.search_engine: SearchEngine | None = self._host.engine
        self._workers = workers or min(num_envs, MAX_TOOLS)
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, _Gates] = WeakKeyDictionary()
        self._threads = DaemonThreads()
        self._lock = threading.Lock()
        self._telemetry = Telemetry()
        self._runners: set[Runner] = set()

    async def begin(self, index: int, split: Split = "train", seed: int = 0) -> AsyncEpisode:
        """Begin an episode.

        The same as the single environment's `reset(seed=seed, options={"index": index, "split": split})`.

        Args:
            index: The task.
            split: The part of the source.
            seed: Seeds the session.

        Raises:
            ConfigError: The split is unknown or empty.
            TaskIndexError: The split has no task of this index.
        """
        options = {"index": index, "split": split}
        return await self.begin_at(
            draw_place(self.tasks, self.config.split, options, np.random.default_rng(seed))
        )

    async def begin_at(self, place: Place) -> AsyncEpisode:
        """Begin the episode that `deepeyes_env.host.draw_place` has drawn; who is cancelled leaves none."""
        runner, owner = self._host.runner(), _Ownership()
        with self._lock:
            self._runners.add(runner)
        try:
            async with self._gate.begins:
                begin = partial(_begun, runner, place)
                observation, info = await self._threads.run(lambda: self._owned(owner, runner, begin))
        except (Exception, asyncio.CancelledError):
            if owner.leave():
                # Closing may take a server's time, and nobody waits for it.
                self._threads.run(lambda: self._free(runner))
            else:
                self._disown(runner)  # its thread is at work, and frees it when it is done
            raise
        return AsyncEpisode(self, runner, observation, info)

    @property
    def telemetry(self) -> Telemetry:
        """Wall times of all episodes together."""
        with self._lock:
            return sum((runner.telemetry for runner in self._runners), self._telemetry)

    def close(self) -> None:
        """Free what unfinished episodes and idle threads hold. Idempotent."""
        for runner in list(self._runners):
            self._free(runner)
        self._threads.close()
        self._host.close()

    # --- Inside --------------------------------------------------------------------------------------------

    @property
    def _gate(self) -> _Gates:
        """Lets as many work at once as there are workers; one for each event loop, as semaphores are."""
        return self._gates.setdefault(asyncio.get_running_loop(), _Gates(self._workers))

    def _owned(self, owner: _Ownership, runner: Runner, work: Callable[[], T]) -> T:
        """In a thread: do the work if anybody still wants it; free the runner if nobody does any more."""
        if not owner.start():
            raise asyncio.CancelledError
        try:
            return work()
        finally:
            if not owner.end():
                self._free(runner)

    def _free(self, runner: Runner) -> None:
        runner.close()
        self._disown(runner)

    def _disown(self, runner: Runner) -> None:
        with self._lock:
            if runner in self._runners:
                self._runners.remove(runner)
                self._telemetry += runner.telemetry


class AsyncEpisode:
    """One episode; made by `DeepEyesAsyncEnv.begin`. One turn at a time.

    Attributes:
        observation: The first observation.
        info: Its info.
        last_seconds: Wall time in which the last turn was performed.
        performing: Whether a worker performs a turn that somebody waits for.
    """

    def __init__(
        self, env: DeepEyesAsyncEnv, runner: Runner, observation: Observation, info: dict[str, Any]
    ) -> None:
        self.observation = observation
        self.info = info
        self._env = env
        self._runner = runner
        self.last_seconds = 0.0
        self.performing = False
        self._busy = False

    @property
    def failures(self) -> Sequence[str]:
        """Why the infrastructure failed, if it did."""
        return self._runner.telemetry.failures

    @property
    def task(self) -> Task:
        """The task.

        Raises:
            RuntimeError: The episode runs on a server, which does not tell the answers.
        """
        if self._runner.task is None:
            raise RuntimeError("the task of a remote episode stays on its server, with its answer")
        return self._runner.task

    async def step(self, text: str, timeout: float | None = None) -> StepResult:
        """Take the policy's turn, perform what it asks for, and score the episode if it ends.

        Args:
            text: The policy's whole turn.
            timeout: Seconds that performing it may take once a worker is free; None for no limit.

        Raises:
            ToolTimeout: The turn took longer. The episode is over: close it.
            TypeError: The turn is not a string.
        """
        check_action(text)
        if not self._runner.running or self._busy:
            raise RuntimeError("step() is due in an episode that goes on, one turn at a time")
        return await self._perform(lambda: _stepped(self._runner, text), timeout)

    async def abandon(self) -> StepResult:
        """End the episode as truncated: the policy ran out of tokens, context or time."""
        return await self._perform(self._runner.abandon)

    async def close(self) -> None:
        """Free what the episode holds; a turn that is still performed does so when it is done. Idempotent."""
        if not self._busy:
            await self._env._threads.run(lambda: self._env._free(self._runner))

    async def _perform(self, work: Callable[[], T], timeout: float | None = None) -> T:
        """Run `work` in a thread, which frees the episode itself if nobody waits for it in the end."""
        self._busy, stays_busy = True, False
        try:
            async with self._env._gate.turns:
                self.performing, owner = True, _Ownership()
                future = self._env._threads.run(
                    lambda: self._env._owned(owner, self._runner, lambda: self._timed(work))
                )
                try:
                    await asyncio.wait({future}, timeout=timeout)
                    if not future.done():
                        raise ToolTimeout(f"a turn was not performed within {timeout:g} s")
                except (asyncio.CancelledError, ToolTimeout):
                    stays_busy = not owner.leave()
                    future.cancel()
                    raise
                return future.result()
        finally:
            self._busy, self.performing = stays_busy, False
            if stays_busy:
                self._env._disown(self._runner)

    def _timed(self, work: Callable[[], T]) -> T:
        begin = time.perf_counter()
        try:
            return work()
        finally:
            self.last_seconds = time.perf_counter() - begin


def _begun(runner: Runner, place: Place) -> tuple[Observation, dict[str, Any]]:
    observation, info = runner.begin(place)
    _encode(observation)
    return observation, info


def _stepped(runner: Runner, text: str) -> StepResult:
    result = runner.step(text)
    _encode(result.observation)
    return result


def _encode(observation: Observation) -> None:
    """Drivers keep trajectories, and would else encode their images one by one in the event loop."""
    for image in observation.images:
        image.encode()


class _Gates:
    """One for turns and one for beginnings, which in a full cluster wait for the last turns of others."""

    def __init__(self, workers: int) -> None:
        self.begins, self.turns = asyncio.Semaphore(workers), asyncio.Semaphore(workers)


class _Ownership:
    """Whose an episode is while a turn is performed: its driver's, or the thread's that was left alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = self._left = False

    def start(self) -> bool:
        """The thread begins; whether there is still somebody to work for."""
        with self._lock:
            self._running = not self._left
            return self._running

    def end(self) -> bool:
        """The thread is done; whether the episode is the driver's."""
        with self._lock:
            self._running = False
            return not self._left

    def leave(self) -> bool:
        """The driver goes; whether the episode stays its own because the thread is not at work."""
        with self._lock:
            self._left = True
            return not self._running
