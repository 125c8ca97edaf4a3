"""What every adapter is compared with, the bare episode, and drivers of our three shells."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence

import numpy as np

from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.env import DeepEyesEnv, GymObservation
from deepeyes_env.episode import Observation
from deepeyes_env.host import draw_task, make_services
from deepeyes_env.runner import EpisodeRunner, StepResult
from deepeyes_env.tasks import open_source
from deepeyes_env.testing.driver import Played, Script, Seen, in_threads
from deepeyes_env.testing.scripts import adapter_config, adapter_scripts
from deepeyes_env.vector import DeepEyesVectorEnv


@functools.cache
def expected() -> tuple[Played, ...]:
    """What comes out of `adapter_scripts()` without any shell, one episode after the other.

    Computed here and now, not stored: encoded figures depend on the versions of Pillow and Matplotlib.
    """
    config = adapter_config()
    tasks = open_source(config.source)
    services = make_services(config, tasks, None)
    return tuple(_bare(script, EpisodeRunner(config, services)) for script in adapter_scripts())


def _bare(script: Script, runner: EpisodeRunner) -> Played:
    config, options = adapter_config(), {"index": script.index, "split": script.split}
    rng = np.random.default_rng(script.seed)
    first, _ = runner.start(*draw_task(open_source(config.source), config.split, options, rng))
    try:
        return played(first, [runner.step(turn) for turn in script.turns])
    finally:
        runner.close()


def played(first: Observation, results: Sequence[StepResult]) -> Played:
    """What came out of an episode whose shell gives `StepResult`s."""
    shown = [first, *(result.observation for result in results if not result.done)]
    return Played(
        [Seen(observation.text, observation.images) for observation in shown],
        [result.reward for result in results],
        results[-1].info.get("outcome", "unfinished"),
    )


class SingleEnvDriver:
    """Plays through `DeepEyesEnv`, an environment for each script."""

    def play(self, scripts: Sequence[Script]) -> list[Played]:
        """See `Driver.play`."""
        return in_threads(self._one, scripts)

    def make(self) -> DeepEyesEnv:
        """Make an environment."""
        return DeepEyesEnv(adapter_config())

    def _one(self, script: Script) -> Played:
        env = self.make()
        try:
            observation, info = env.reset(
                seed=script.seed, options={"index": script.index, "split": script.split}
            )
            shown, rewards = [_seen(observation)], []
            for turn in script.turns:
                observation, reward, terminated, truncated, info = env.step(turn)
                rewards.append(reward)
                if not (terminated or truncated):
                    shown.append(_seen(observation))
            return Played(shown, rewards, info.get("outcome", "unfinished"))
        finally:
            env.close()


def play_in_slots(envs: DeepEyesVectorEnv, scripts: Sequence[Script]) -> list[Played]:
    """Play scripts through the streaming interface of `envs`, a slot for each."""
    begun = [envs.begin(slot, s.index, s.split, s.seed) for slot, s in enumerate(scripts)]
    results: list[list[StepResult]] = [[] for _ in scripts]
    for slot, script in enumerate(scripts):
        envs.submit(slot, script.turns[0])
    while done := envs.ready():
        for slot, result in done:
            results[slot].append(result)
            if not result.done:
                envs.submit(slot, scripts[slot].turns[len(results[slot])])
    return [played(first, steps) for (first, _), steps in zip(begun, results, strict=True)]


class VectorEnvDriver:
    """Plays through the streaming interface of `DeepEyesVectorEnv`, a slot for each script."""

    def play(self, scripts: Sequence[Script]) -> list[Played]:
        """See `Driver.play`."""
        envs = self.make(len(scripts))
        try:
            return play_in_slots(envs, scripts)
        finally:
            envs.close()

    def make(self, num_envs: int) -> DeepEyesVectorEnv:
        """Make the slots."""
        return DeepEyesVectorEnv(num_envs, adapter_config())


class AsyncEnvDriver:
    """Plays through `DeepEyesAsyncEnv`, a coroutine for each script."""

    def play(self, scripts: Sequence[Script]) -> list[Played]:
        """See `Driver.play`."""
        env = self.make(len(scripts))
        try:
            return asyncio.run(self._all(env, scripts))
        finally:
            env.close()

    def make(self, num_envs: int) -> DeepEyesAsyncEnv:
        """Make the environment."""
        return DeepEyesAsyncEnv(num_envs, adapter_config())

    async def _all(self, env: DeepEyesAsyncEnv, scripts: Sequence[Script]) -> list[Played]:
        return await asyncio.gather(*(self._one(env, script) for script in scripts))

    async def _one(self, env: DeepEyesAsyncEnv, script: Script) -> Played:
        episode = await env.begin(script.index, script.split, script.seed)
        try:
            return played(episode.observation, [await episode.step(turn) for turn in script.turns])
        finally:
            await episode.close()


def _seen(observation: GymObservation) -> Seen:
    return Seen(observation["text"], observation["images"])
