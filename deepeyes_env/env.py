"""DeepEyesEnv: one episode at a time behind the Gymnasium interface."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from deepeyes_env.config import ConfigError, EnvConfig, with_overrides
from deepeyes_env.episode import Episode, Observation
from deepeyes_env.errors import TaskIndexError, nearest
from deepeyes_env.render import render_ansi, render_rgb
from deepeyes_env.rewards.base import Reward
from deepeyes_env.rewards.judge import HttpJudge
from deepeyes_env.runner import EpisodeRunner, Services
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.search import SearchEngine, open_search
from deepeyes_env.spaces import FreeText, RgbArray, RGBImage, TurnText
from deepeyes_env.task import SPLITS, Split, Task, TaskSource
from deepeyes_env.tasks import open_source
from deepeyes_env.telemetry import Telemetry

ENDLESS = 2**31
"""Range of the indices that `reset` draws from an endless source."""

GymObservation = dict[str, Any]
"""`text`: str; `images`: tuple of uint8 arrays `[height, width, 3]`, one per `<image>` marker in the text."""


class DeepEyesEnv(gym.Env[GymObservation, str]):
    """A question about images, to be answered with code and search.

    The action is a whole turn as text (reference 1.1). The reward comes with the last step.
    """

    metadata: dict[str, Any] = {"render_modes": ["human", "rgb_array", "ansi"], "render_fps": 1}  # noqa: RUF012

    def __init__(
        self,
        config: EnvConfig | None = None,
        *,
        tasks: TaskSource | None = None,
        sandbox: Sandbox | None = None,
        render_mode: str | None = None,
        **overrides: Any,
    ) -> None:
        """Make the environment.

        Args:
            config: Settings; the defaults are the generated world and the local sandbox.
            tasks: A task source to use in place of `config.source`.
            sandbox: A sandbox to use in place of `config.sandbox_backend`. It stays the caller's to close.
            render_mode: `human` prints, `rgb_array` paints, `ansi` writes the episode; None shows nothing.
            **overrides: Fields of `EnvConfig` that replace those of `config`.

        Raises:
            ConfigError: An unknown key or a bad value.
        """
        check_render_mode(render_mode, self.metadata["render_modes"])
        self.config = env_config(config, overrides)
        self.tasks = tasks if tasks is not None else open_source(self.config.source)
        self.render_mode = render_mode
        self.observation_space = observation_space()
        self.action_space = TurnText()
        services = make_services(self.config, self.tasks, sandbox)
        self.search_engine: SearchEngine | None = services.engine
        self._runner = EpisodeRunner(self.config, services)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[GymObservation, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Seeds the draws: the task's index, if none is given, and the sandbox session.
            options: `index`: the task to ask; `split`: the part of the source to draw from.

        Returns:
            The question, and an info with the system prompt.

        Raises:
            ConfigError: An unknown option or split.
            TaskIndexError: The split has no task of this index.
        """
        super().reset(seed=seed)
        task, rng = draw_task(self.tasks, self.config.split, options or {}, self.np_random)
        observation, info = self._runner.start(task, rng)
        self._show()
        return to_arrays(observation), info

    def step(self, action: str) -> tuple[GymObservation, float, bool, bool, dict[str, Any]]:
        """Take one turn.

        Args:
            action: The policy's whole turn. Any string is fine.

        Returns:
            Observation, reward, terminated, truncated and info; the observation after the end is empty.

        Raises:
            TypeError: The action is not a string.
            ResetNeeded: No episode is running.
        """
        check_action(action)
        if not self._runner.running:
            raise ResetNeeded(
                "no episode is running: call reset() first, and again after an episode has ended"
            )
        result = self._runner.step(action)
        self._show()
        return (
            to_arrays(result.observation),
            result.reward,
            result.terminated,
            result.truncated,
            result.info,
        )

    def render(self) -> RgbArray | str | None:
        """Show the episode so far in the chosen render mode; `human` printed it already."""
        if self.render_mode is None:
            gym.logger.warn(
                "render() without a render_mode: pass render_mode='rgb_array' or 'ansi' to make()"
            )
            return None
        if self.render_mode == "rgb_array":
            return render_rgb(self.episode, self.reward)
        return render_ansi(self.episode, self.reward) if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Free the running episode. Idempotent."""
        self._runner.close()

    @property
    def episode(self) -> Episode:
        """The current episode.

        Raises:
            ResetNeeded: There is none yet.
        """
        if self._runner.episode is None:
            raise ResetNeeded("there is no episode yet: call reset() first")
        return self._runner.episode

    @property
    def reward(self) -> Reward | None:
        """The reward of the current episode with its parts, or None while it goes on."""
        return self._runner.reward

    @property
    def telemetry(self) -> Telemetry:
        """Wall times, which are not in `info` because they are not deterministic."""
        return self._runner.telemetry

    def _show(self) -> None:
        if self.render_mode == "human":
            sys.stdout.write(
                render_ansi(self.episode, self.reward, last_only=True, colour=sys.stdout.isatty())
            )
            sys.stdout.flush()


def env_config(config: EnvConfig | None, overrides: Mapping[str, Any]) -> EnvConfig:
    """The settings of an environment.

    Raises:
        ConfigError: `config` is something else, or an override has an unknown key or a bad value.
    """
    if not isinstance(config, EnvConfig | None):
        raise ConfigError(
            f"config = {config!r}: must be an EnvConfig; load_config(EnvConfig, ...) makes one of a TOML file"
        )
    return with_overrides(config or EnvConfig(), **overrides)


def check_render_mode(mode: str | None, modes: Collection[str]) -> None:
    """Refuse an unknown render mode.

    Raises:
        ConfigError: It is neither None nor one of `modes`.
    """
    if mode is not None and mode not in modes:
        raise ConfigError(f"render_mode = {mode!r}: {nearest(str(mode), modes)}")


def observation_space() -> spaces.Dict:
    """The space of `GymObservation`."""
    return spaces.Dict({"text": FreeText(), "images": spaces.Sequence(RGBImage())})


def to_arrays(observation: Observation) -> GymObservation:
    """The observation with its images decoded."""
    return {
        "text": observation.text,
        "images": tuple(np.array(image.decode()) for image in observation.images),
    }


def check_action(action: object) -> None:
    """Refuse an action that is not text.

    Raises:
        TypeError: It is not a string.
    """
    if not isinstance(action, str):
        raise TypeError(f"an action is the text of a turn (str), not {type(action).__name__}: {action!r}")


def make_services(config: EnvConfig, tasks: TaskSource, sandbox: Sandbox | None) -> Services:
    """What the episodes of an environment share."""
    judge = HttpJudge(config.judge) if config.judge else None
    engine = tasks.search_engine()
    if config.search is not None:
        engine = open_search(config.search, engine)
    return Services(sandbox=lambda: sandbox or _shared_sandbox(config), engine=engine, judge=judge)


def draw_task(
    tasks: TaskSource, split: Split, options: Mapping[str, Any], rng: np.random.Generator
) -> tuple[Task, np.random.Generator]:
    """The task that the options name, else one drawn by `rng`.

    Args:
        tasks: The source.
        split: The part to draw from unless the options name one.
        options: `index` and `split`.
        rng: The episode's generator.

    Returns:
        The task, and a generator for the rest of the episode's draws, which does not depend on the options.

    Raises:
        ConfigError: An unknown option or split, an index that is no whole number, or an empty split.
        TaskIndexError: The split has no task of this index.
    """
    for key in options:
        if key not in ("index", "split"):
            raise ConfigError(f"unknown reset option {key!r}: {nearest(str(key), ['index', 'split'])}")
    chosen: Split = options.get("split", split)
    if chosen not in SPLITS:
        raise ConfigError(f"split = {chosen!r}: {nearest(str(chosen), SPLITS)}")
    episode_rng = np.random.default_rng(int(rng.integers(2**63)))
    size = tasks.size(chosen)
    if size == 0:
        raise ConfigError(f"split = {chosen!r}: the source {tasks.name!r} has no task in it")
    index = options.get("index")
    if index is None:
        index = int(rng.integers(ENDLESS if size is None else size))
    return tasks.task(_checked_index(index, size, chosen), chosen), episode_rng


def _checked_index(index: object, size: int | None, split: str) -> int:
    if isinstance(index, bool) or not isinstance(index, int | np.integer):
        raise ConfigError(f"index = {index!r}: must be a whole number")
    if index < 0 or (size is not None and index >= size):
        count = "endless" if size is None else size
        raise TaskIndexError(f"index = {index}: split {split!r} has {count} tasks, counted from 0")
    return int(index)


def _shared_sandbox(config: EnvConfig) -> Sandbox:
    from deepeyes_env.sandbox import shared_sandbox

    return shared_sandbox(config.sandbox_backend, config.limits)
