"""What runs on a node: an actor that holds episodes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import ray

from deepeyes_env.adapters.ray.pictures import Reference, Referred, Shelf
from deepeyes_env.config import EnvConfig
from deepeyes_env.host import LocalHost, Place, Runner
from deepeyes_env.rewards.base import Reward
from deepeyes_env.runner import StepResult
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.task import Task, TaskSource
from deepeyes_env.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Begun:
    """The beginning of an episode.

    Attributes:
        task: Its task, without images.
        images: The task's images.
        observation: The first observation.
        info: Its info.
    """

    task: Task
    images: tuple[Reference, ...]
    observation: Referred
    info: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Performed:
    """What a turn led to.

    Attributes:
        result: The result; its observation is `observation`.
        observation: The observation.
        reward: The episode's reward at its end.
        telemetry: What the episode has cost so far, and what failed in it.
    """

    result: StepResult
    observation: Referred
    reward: Reward | None
    telemetry: Telemetry


class EpisodeActor:
    """Holds the episodes of one driver on one node. Ray calls it from as many threads as it has slots."""

    def __init__(self, config: EnvConfig, tasks: TaskSource | None, sandbox: Sandbox | None) -> None:
        """Do nothing that can fail, since Ray cannot tell such failures from a node's; see `open`."""
        self._given = config, tasks, sandbox
        self._shelf = Shelf()
        self._runners: dict[str, Runner] = {}

    def open(self) -> str:
        """Open what episodes share; the first call.

        Returns:
            The node's id.

        Raises:
            ConfigError: The node lacks what the settings name: a file, a package.
        """
        self._host = LocalHost(*self._given)
        return str(ray.get_runtime_context().get_node_id())

    def begin(self, name: str, place: Place) -> Begun:
        """Begin an episode under a new name."""
        runner = self._host.runner()
        observation, info = runner.begin(place)
        task = runner.task
        assert task is not None
        begun = Begun(
            replace(task, images=()),
            self._shelf.references(task.images),
            self._shelf.observation(observation),
            info,
        )
        self._runners[name] = runner
        return begun

    def step(self, name: str, text: str) -> Performed:
        """Take a turn in an episode."""
        return self._performed(name, self._runners[name].step(text))

    def abandon(self, name: str) -> Performed:
        """End an episode as truncated."""
        return self._performed(name, self._runners[name].abandon())

    def close(self, name: str) -> None:
        """Free what an episode holds, if it is here."""
        runner = self._runners.pop(name, None)
        if runner is not None:
            runner.close()

    def _performed(self, name: str, result: StepResult) -> Performed:
        runner = self._runners[name]
        if result.done:
            self.close(name)
        observation = self._shelf.observation(result.observation)
        bare = replace(result, observation=type(result.observation)())
        return Performed(bare, observation, runner.reward, runner.telemetry)
