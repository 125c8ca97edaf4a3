"""DeepEyes as a SkyRL environment (skyrl-gym), for SkyRL's generator of vision-language models.

    skyrl_gym.register(
        "deepeyes",
        entry_point="deepeyes_env.adapters.skyrl:DeepEyesTextEnv",
        kwargs={"settings": "env.toml"},
    )

Observations are user messages in OpenAI's form with images as data URLs, in the places of their markers.
SkyRL knows no episode without a reward: an error ends the whole step. So an episode whose infrastructure
fails is played again, which gives the same to the byte, and only if that fails too is it an error.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput, ConversationType

from deepeyes_env.adapters.unscored import EpisodeFailed, scored
from deepeyes_env.chat_parts import content_parts
from deepeyes_env.config import EnvConfig, load_config, with_overrides
from deepeyes_env.episode import Observation
from deepeyes_env.host import Host, draw_place, open_host
from deepeyes_env.outcome import Outcome
from deepeyes_env.runner import StepResult
from deepeyes_env.task import Split

REPLAYS = 2
"""Times that an episode is played again after a failure of the infrastructure."""


class DeepEyesTextEnv(BaseTextEnv):
    """One episode; all of a process share tasks, search and sandbox."""

    def __init__(
        self,
        env_config: Any = None,
        extras: Mapping[str, Any] | None = None,
        settings: EnvConfig | str | None = None,
        host: Host | None = None,
    ) -> None:
        """Make the environment of one episode.

        Args:
            env_config: SkyRL's own settings of the environment; it has none for those of others.
            extras: The row of the data set: `index`, `split` and `seed`, as of `DeepEyesEnv.reset`. SkyRL
                adds `max_turns` (`generator.max_turns`), which replaces that of the settings.
            settings: The settings, or a TOML file of them.
            host: Where the episode runs, in place of `settings`.
        """
        super().__init__()
        row = dict(extras or {})
        self._host = host or _shared_host(settings, row.get("max_turns"))
        self.max_turns = self._host.config.max_turns
        options: dict[str, Any] = {name: row[name] for name in ("index", "split") if name in row}
        rng = np.random.default_rng(row.get("seed", 0))
        self._place = draw_place(self._host.tasks, self._host.config.split, options, rng)
        self._runner = self._host.runner()
        self._actions: list[str] = []
        self._shown: list[Observation] = []
        self._info: dict[str, Any] = {}

    def init(self, prompt: ConversationType) -> tuple[ConversationType, dict[str, Any]]:
        """Begin the episode; its own system message and question replace the data set's `prompt`."""
        first, info = self._runner.begin(self._place)
        self._shown = [first]
        return [{"role": "system", "content": info["system_prompt"]}, _message(first)], info

    def step(self, action: str) -> BaseTextEnvStepOutput:
        """Take the policy's whole turn.

        Raises:
            EpisodeFailed: The infrastructure failed, again and again.
        """
        self.turns += 1
        self._actions.append(action)
        result = self._runner.step(action)
        for _ in range(REPLAYS):
            if result.info.get("outcome") == Outcome.INFRA_FAILED:
                result = self._replayed()
        scored(result, self._runner.telemetry.failures)
        self._info = result.info
        if not result.done:
            self._shown.append(result.observation)
        return BaseTextEnvStepOutput(
            observations=[] if result.done else [_message(result.observation)],
            reward=result.reward,
            done=result.done,
            metadata=result.info,
        )

    def get_metrics(self) -> dict[str, Any]:
        """Figures that SkyRL averages over episodes; none of an episode that SkyRL itself has cut off."""
        if "outcome" not in self._info:
            return {}
        figures = {name: self._info[name] for name in ("accuracy", "format")} | {"turns": self.turns}
        ends = (Outcome.TRUNCATED, Outcome.MALFORMED)
        return figures | {str(end): float(self._info["outcome"] == end) for end in ends}

    def close(self) -> None:
        """Free the episode."""
        self._runner.close()

    def _replayed(self) -> StepResult:
        """The last turn's result, after all turns from the beginning."""
        shown = [self._runner.begin(self._place)[0]]
        for action in self._actions:
            result = self._runner.step(action)
            if result.done:
                break
            shown.append(result.observation)
        if shown[: len(self._shown)] != self._shown[: len(shown)]:
            raise EpisodeFailed("the infrastructure failed, and played again the episode went another way")
        return result


def prompt_rows(
    count: int, split: Split = "train", seed: int = 0, start: int = 0, env_class: str = "deepeyes"
) -> Iterator[dict[str, Any]]:
    """Rows of a data set for SkyRL (as JSON Lines or Parquet), one a task.

    Args:
        count: How many tasks.
        split: The part of the task source.
        seed: Seeds the sandbox of every episode.
        start: The first task.
        env_class: Name that the environment is registered by.
    """
    prompt = [{"role": "user", "content": "The environment asks the question."}]
    for index in range(start, start + count):
        yield {"prompt": prompt, "env_class": env_class, "index": index, "split": split, "seed": seed}


@functools.cache
def _shared_host(settings: EnvConfig | str | None, max_turns: int | None) -> Host:
    config = settings if isinstance(settings, EnvConfig) else load_config(EnvConfig, settings)
    turns = {} if max_turns is None else {"max_turns": max_turns}
    return open_host(with_overrides(config, **turns), {}, None, None, None)


def _message(observation: Observation) -> dict[str, Any]:
    return {"role": "user", "content": content_parts(observation.text, observation.images)}
