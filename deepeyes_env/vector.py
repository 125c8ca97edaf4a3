"""DeepEyesVectorEnv: many episodes, tools and grading in a thread pool, and no barrier between turns.

Besides Gymnasium's `reset` and `step`, which wait for every slot, there is a streaming interface in which
each slot goes its own way: `begin` an episode, `submit` a turn, take what is `ready`, `abandon` the overlong.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from deepeyes_env.config import ConfigError, EnvConfig
from deepeyes_env.env import (
    DeepEyesEnv,
    GymObservation,
    check_action,
    check_render_mode,
    current_episode,
    observation_space,
    to_arrays,
)
from deepeyes_env.episode import Episode, Observation
from deepeyes_env.host import Host, draw_place, open_host
from deepeyes_env.render import render_ansi, render_rgb
from deepeyes_env.runner import StepResult
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.search import SearchEngine
from deepeyes_env.spaces import RgbArray, TurnText
from deepeyes_env.task import Split, TaskSource
from deepeyes_env.telemetry import Telemetry
from deepeyes_env.threads import Crew

MAX_WORKERS = 64
"""Most threads that perform effects; they mostly wait for sandbox processes and search engines."""

RENDER_MODES = ("rgb_array", "ansi")
"""There is no `human`: many episodes at once are no good reading."""

BoolArray = npt.NDArray[np.bool_]
T = TypeVar("T")
U = TypeVar("U")
VectorStep = tuple[GymObservation, npt.NDArray[np.float64], BoolArray, BoolArray, dict[str, Any]]


class DeepEyesVectorEnv(VectorEnv[GymObservation, Sequence[str], npt.NDArray[Any]]):
    """`num_envs` slots over one task source, one sandbox and one search engine.

    Observations are `{"text": tuple of str, "images": tuple of tuples of arrays}`, one entry per slot.
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
        render_mode: str | None = None,
        **overrides: Any,
    ) -> None:
        """Make the slots.

        Args:
            num_envs: Number of slots.
            config: Settings; the defaults are the generated world and the local sandbox.
            tasks: A task source to use in place of `config.source`.
            sandbox: A sandbox to use in place of `config.sandbox_backend`. It stays the caller's to close.
            remote: Address of a `deepeyes serve env`, or another host; see `DeepEyesEnv`.
            workers: Threads; default: one per slot, at most `MAX_WORKERS`.
            render_mode: `rgb_array` or `ansi`: what `render` gives per slot.
            **overrides: Fields of `EnvConfig` that replace those of `config`.

        Raises:
            ConfigError: An unknown key or a bad value.
        """
        for name, value in (("num_envs", num_envs), ("workers", 1 if workers is None else workers)):
            if value < 1:
                raise ConfigError(f"{name} = {value}: must be at least 1")
        check_render_mode(render_mode, RENDER_MODES, remote)
        self.num_envs = num_envs
        self._host = open_host(config, overrides, tasks, sandbox, remote)
        self.config, self.tasks = self._host.config, self._host.tasks
        self.render_mode = render_mode
        self.metadata = DeepEyesEnv.metadata | {
            "render_modes": list(RENDER_MODES),
            "autoreset_mode": AutoresetMode.NEXT_STEP,
        }
        self.single_observation_space = observation_space()
        self.single_action_space = TurnText()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.search_engine: SearchEngine | None = self._host.engine
        self._runners = [self._host.runner() for _ in range(num_envs)]
        self._rngs = np.random.default_rng().spawn(num_envs)
        self._crew = Crew(workers or min(num_envs, MAX_WORKERS))
        self._closing = False
        self._door = threading.Lock()  # nothing is launched for threads that are already dismissed
        self._begun: set[int] = set()
        self._in_flight: set[int] = set()
        self._finished: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()

    # --- Gymnasium -----------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[GymObservation, dict[str, Any]]:
        """Begin an episode in every slot.

        Args:
            seed: One seed per slot, or an int `s` for `s, s + 1, ...`; None goes on with the generators.
            options: As for the single environment; `index` may be a sequence with one index per slot.

        Returns:
            The batched observations and infos.
        """
        self._require_idle()
        seeds = [seed + slot for slot in range(self.num_envs)] if isinstance(seed, int | np.integer) else seed
        if seeds is not None and len(seeds) != self.num_envs:
            raise ValueError(f"seed: {len(seeds)} seeds for {self.num_envs} slots")
        for slot, slot_seed in enumerate(seeds or ()):
            if slot_seed is not None:
                self._rngs[slot] = np.random.default_rng(slot_seed)
        per_slot = [self._slot_options(options or {}, slot) for slot in range(self.num_envs)]
        begun = self._in_all(self._begin_shown, per_slot)
        return self._batch([shown for shown, _ in begun]), self._infos([info for _, info in begun])

    def step(self, actions: Sequence[str]) -> VectorStep:
        """Take one turn in every slot and wait for all of them.

        A slot whose episode ended in the last step begins a new one instead and ignores its action
        (`AutoresetMode.NEXT_STEP`).

        Args:
            actions: One turn per slot.

        Raises:
            TypeError: An action is not a string.
            ResetNeeded: `reset` was never called.
        """
        self._require_idle()
        if len(actions) != self.num_envs:
            raise ValueError(f"actions: {len(actions)} turns for {self.num_envs} slots")
        if len(self._begun) < self.num_envs:
            raise ResetNeeded("call reset() before step()")
        for action in actions:
            check_action(action)
        stepped = self._in_all(self._step_or_reset, actions)
        results = [result for _, result in stepped]
        return (
            self._batch([shown for shown, _ in stepped]),
            np.array([result.reward for result in results], dtype=np.float64),
            np.array([result.terminated for result in results], dtype=np.bool_),
            np.array([result.truncated for result in results], dtype=np.bool_),
            self._infos([result.info for result in results]),
        )

    def render(self) -> tuple[RgbArray, ...] | tuple[str, ...] | None:
        """One picture or text per slot, as `render_mode` says."""
        if self.render_mode == "rgb_array":
            return tuple(render_rgb(self.episode(i), self._runners[i].reward) for i in range(self.num_envs))
        if self.render_mode == "ansi":
            return tuple(render_ansi(self.episode(i), self._runners[i].reward) for i in range(self.num_envs))
        return None

    def close_extras(self, **kwargs: Any) -> None:
        """Wait for running turns, then free all episodes and the threads.

        What no thread has begun ends in `ClosedEnvironmentError`, for whoever waits for it in another thread.
        """
        with self._door:
            self._closing = True
        self._end_waiting()
        for thread in self._crew.dismiss():
            thread.join()
        for runner in self._runners:
            runner.close()
        self._host.close()

    # --- Streaming -----------------------------------------------------------------------------------------

    def begin(
        self, slot: int, index: int, split: Split = "train", seed: int = 0
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode in a slot, dropping an unfinished one.

        The same as the single environment's `reset(seed=seed, options={"index": index, "split": split})`.

        Args:
            slot: The slot, with no turn in flight.
            index: The task.
            split: The part of the source.
            seed: Seeds the session.

        Returns:
            The first observation and its info.
        """
        self._require_free(slot)
        self._rngs[slot] = np.random.default_rng(seed)
        return self._begin(slot, {"index": index, "split": split})

    def submit(self, slot: int, text: str) -> None:
        """Hand in a turn; its tool runs in the background and `ready` gives the result.

        Args:
            slot: A slot with a running episode and no turn in flight.
            text: The policy's whole turn.
        """
        check_action(text)
        self._require_free(slot)
        if not self._runners[slot].running:
            raise ResetNeeded(f"slot {slot} has no running episode: call begin() first")
        self._launch(slot, partial(self._runners[slot].step, text))

    def ready(self, timeout: float | None = None) -> list[tuple[int, StepResult]]:
        """Wait until at least one submitted turn is done.

        Args:
            timeout: Longest wait in seconds; None waits as long as it takes.

        Returns:
            `(slot, result)` of every turn that is done, in the order in which they were: whoever is served
            so keeps nobody waiting for long. Empty after the timeout, or at once when nothing is in flight.

        Raises:
            BaseException: What a turn raised, once every other turn that is done has been taken.
        """
        if not self._in_flight:
            return []
        done = []
        with suppress(queue.Empty):
            done.append(self._finished.get(timeout=timeout))
            while True:
                done.append(self._finished.get_nowait())
        results = [one for one in done if not isinstance(one[1], BaseException)]
        failed = [one for one in done if isinstance(one[1], BaseException)]
        taken = results or failed[:1]
        for one in failed:
            if one not in taken:
                self._finished.put(one)
        self._in_flight.difference_update(slot for slot, _ in taken)
        if taken and not results:
            raise taken[0][1]
        return results

    def abandon(self, slot: int) -> StepResult:
        """End a slot's episode as truncated: the policy ran out of tokens or context.

        Args:
            slot: A slot with a running episode and no turn in flight.
        """
        self._require_free(slot)
        return self._runners[slot].abandon()

    def episode(self, slot: int) -> Episode:
        """The slot's current episode."""
        return current_episode(self._runners[slot], f"slot {slot} has no episode yet")

    @property
    def telemetry(self) -> Telemetry:
        """Wall times of all slots together."""
        return sum((runner.telemetry for runner in self._runners), Telemetry())

    # --- Inside --------------------------------------------------------------------------------------------

    def _launch(self, slot: int, work: Callable[[], Any]) -> None:
        """Do a slot's work in a thread, which hands over what came of it."""

        def perform() -> None:
            try:
                self._require_open()
                outcome = work()
            except BaseException as error:
                outcome = error
            self._finished.put((slot, outcome))

        with self._door:
            self._require_open()
            self._crew.perform(perform)
        self._in_flight.add(slot)

    def _in_all(self, work: Callable[[int, T], U], arguments: Sequence[T]) -> list[U]:
        """Do work in every slot and wait for all of them; the first slot's error is raised."""
        done: dict[int, Any] = {}
        try:
            for slot, argument in enumerate(arguments):
                self._launch(slot, partial(work, slot, argument))
            self._collect(done)
        except BaseException:
            self._end_waiting()
            self._collect(done)  # an interrupted step must not show up in the next one
            raise
        for outcome in (done[slot] for slot in range(self.num_envs)):
            if isinstance(outcome, BaseException):
                raise outcome
        return [done[slot] for slot in range(self.num_envs)]

    def _end_waiting(self) -> None:
        """Let what is in flight wait no longer for room; here there always is."""

    def _collect(self, done: dict[int, Any]) -> None:
        """Wait for everything that is in flight."""
        while self._in_flight:
            slot, done[slot] = self._finished.get()
            self._in_flight.discard(slot)

    def _begin(self, slot: int, options: dict[str, Any]) -> tuple[Observation, dict[str, Any]]:
        self._begun.discard(slot)
        place = draw_place(self.tasks, self.config.split, options, self._rngs[slot])
        begun = self._runners[slot].begin(place)
        self._begun.add(slot)
        return begun

    def _begin_shown(self, slot: int, options: dict[str, Any]) -> tuple[GymObservation, dict[str, Any]]:
        # Images are decoded by the threads: one after the other they would take longer than most tools.
        observation, info = self._begin(slot, options)
        return to_arrays(observation), info

    def _step_or_reset(self, slot: int, action: str) -> tuple[GymObservation, StepResult]:
        if self._runners[slot].running:
            result = self._runners[slot].step(action)
        else:
            observation, info = self._begin(slot, {})
            result = StepResult(observation, 0.0, terminated=False, truncated=False, info=info)
        return to_arrays(result.observation), result

    def _slot_options(self, options: dict[str, Any], slot: int) -> dict[str, Any]:
        index = options.get("index")
        if index is None or np.ndim(index) == 0:
            return options
        if len(index) != self.num_envs:
            raise ValueError(f"index: {len(index)} indices for {self.num_envs} slots")
        return options | {"index": index[slot]}

    def _require_open(self) -> None:
        if self._closing:
            raise ClosedEnvironmentError("the environments are closed: make new ones")

    def _require_free(self, slot: int) -> None:
        if not 0 <= slot < self.num_envs:
            raise IndexError(f"slot {slot}: there are {self.num_envs} slots, counted from 0")
        if slot in self._in_flight:
            raise RuntimeError(f"slot {slot} has a turn in flight: take it from ready() first")

    def _require_idle(self) -> None:
        if self._in_flight:
            raise RuntimeError(
                f"slots {sorted(self._in_flight)} have turns in flight: take them from ready() first"
            )

    def _batch(self, shown: list[GymObservation]) -> GymObservation:
        return {key: tuple(one[key] for one in shown) for key in ("text", "images")}

    def _infos(self, infos: list[dict[str, Any]]) -> dict[str, Any]:
        batched: dict[str, Any] = {}
        for slot, info in enumerate(infos):
            batched = self._add_info(batched, info, slot)
        return batched
