"""DeepEyesEnv: one episode at a time behind the Gymnasium interface."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from deepeyes_env.config import ConfigError, EnvConfig
from deepeyes_env.episode import Episode, Observation
from deepeyes_env.errors import nearest
from deepeyes_env.host import Host, Runner, draw_place, open_host
from deepeyes_env.render import render_ansi, render_rgb
from deepeyes_env.rewards.base import Reward
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.search import SearchEngine
from deepeyes_env.spaces import FreeText, RgbArray, RGBImage, TurnText
from deepeyes_env.task import TaskSource
from deepeyes_env.telemetry import Telemetry

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
        remote: str | Host | None = None,
        render_mode: str | None = None,
        **overrides: Any,
    ) -> None:
        """Make the environment.

        Args:
            config: Settings; the defaults are the generated world and the local sandbox.
            tasks: A task source to use in place of `config.source`.
            sandbox: A sandbox to use in place of `config.sandbox_backend`. It stays the caller's to close.
            remote: Address of a `deepeyes serve env`, where the episodes run by that server's settings, or
                another host of episodes with its own; then there can be no others.
            render_mode: `human` prints, `rgb_array` paints, `ansi` writes the episode; None shows nothing.
            **overrides: Fields of `EnvConfig` that replace those of `config`.

        Raises:
            ConfigError: An unknown key or a bad value.
            RemoteError: The server at `remote` cannot be used.
        """
        check_render_mode(render_mode, self.metadata["render_modes"], remote)
        self._host = open_host(config, overrides, tasks, sandbox, remote)
        self.config, self.tasks = self._host.config, self._host.tasks
        self.render_mode = render_mode
        self.observation_space = observation_space()
        self.action_space = TurnText()
        self.search_engine: SearchEngine | None = self._host.engine
        self._runner = self._host.runner()

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
        place = draw_place(self.tasks, self.config.split, options or {}, self.np_random)
        observation, info = self._runner.begin(place)
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
        self._host.close()

    @property
    def episode(self) -> Episode:
        """The current episode.

        Raises:
            ResetNeeded: There is none yet.
            RemoteEpisodeError: It runs elsewhere.
        """
        return current_episode(self._runner, "there is no episode yet: call reset() first")

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


class RemoteEpisodeError(RuntimeError):
    """An episode was asked for that stays on its server."""


def current_episode(runner: Runner, missing: str) -> Episode:
    """The episode of a runner.

    Args:
        runner: The runner.
        missing: What to say where there is none yet.

    Raises:
        ResetNeeded: There is none yet.
        RemoteEpisodeError: It runs elsewhere.
    """
    if runner.episode is None and runner.running:
        raise RemoteEpisodeError(
            "the episode runs elsewhere (`remote`, Ray), where its state stays; observation and info tell all"
        )
    if runner.episode is None:
        raise ResetNeeded(missing)
    return runner.episode


def check_render_mode(mode: str | None, modes: Collection[str], remote: object = None) -> None:
    """Refuse an unknown render mode.

    Raises:
        ConfigError: It is neither None nor one of `modes`, or the episodes run elsewhere.
    """
    if mode is not None and remote is not None:
        raise ConfigError(f"render_mode = {mode!r}: a remote episode cannot be shown here")
    if mode is not None and mode not in modes:
        raise ConfigError(f"render_mode = {mode!r}: {nearest(str(mode), modes)}")


def observation_space() -> spaces.Dict:
    """The space of `GymObservation`."""
    return spaces.Dict({"text": FreeText(), "images": spaces.Sequence(RGBImage())})


def to_arrays(observation: Observation) -> GymObservation:
    """The observation with its images decoded."""
    return {
        "text": observation.text,
        "images": tuple(np.array(image.decode_shared()) for image in observation.images),
    }


def check_action(action: object) -> None:
    """Refuse an action that is not text.

    Raises:
        TypeError: It is not a string.
    """
    if not isinstance(action, str):
        raise TypeError(f"an action is the text of a turn (str), not {type(action).__name__}: {action!r}")
