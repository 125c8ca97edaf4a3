"""Who acts on which tasks: the options that every command with a policy shares, and what they open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agents.policy import SamplingParams
from agents.qwen import Qwen, load_qwen
from agents.rollout import RolloutRequest, rollout
from agents.scripted import demonstrate_many
from agents.tiny import build_tiny
from agents.trajectory import Trajectory
from agents.transcript import MAX_TOKENS
from agents.transformers_policy import TransformersPolicy
from agents.vocabulary import Vocabulary
from deepeyes_env.errors import ConfigError
from deepeyes_env.task import Split
from deepeyes_env.vector import DeepEyesVectorEnv

ORACLE = "oracle"
"""Name of the scripted policy."""


@dataclass(frozen=True, kw_only=True)
class ActorOptions:
    """A policy and its tasks.

    Attributes:
        policy: A Qwen2.5-VL checkpoint (directory or hub id), or `oracle` for the task families' own scripts.
        env: TOML file of the environment (`EnvConfig`); default: the generated world.
        split: Part of the task source.
        first: Index of the first task.
        n: Number of tasks.
        num_envs: Episodes at once.
        temperature: Of sampling; 0 is greedy.
        max_turn_tokens: Tokens per turn (reference 1.5).
        max_tokens: Tokens of a conversation above which it is truncated (reference 1.5).
        infra_retries: How often an episode is begun anew when the infrastructure failed.
        seed: Names the run; the same seed draws the same samples.
        device: Where the model runs.
    """

    policy: str
    env: Path | None = None
    split: Split = "validation"
    first: int = 0
    n: int = 16
    num_envs: int = 8
    temperature: float = 1.0
    max_turn_tokens: int = 8192
    max_tokens: int = MAX_TOKENS
    infra_retries: int = 1
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        least = {"n": 1, "num_envs": 1, "max_turn_tokens": 1, "max_tokens": 1}
        least |= {"first": 0, "temperature": 0, "infra_retries": 0, "seed": 0}
        require_at_least(self, least)

    @property
    def indexes(self) -> range:
        """The tasks."""
        return range(self.first, self.first + self.n)


def require_at_least(options: object, least: dict[str, int]) -> None:
    """Check lower bounds.

    Raises:
        ConfigError: A value is below its bound.
    """
    for key, lowest in least.items():
        value = getattr(options, key)
        if not value >= lowest:
            raise ConfigError(f"{key} = {value!r}: must be at least {lowest}")


class Actor:
    """An opened policy."""

    def __init__(self, options: ActorOptions) -> None:
        """Load the policy.

        Raises:
            ModelError: It is no Qwen2.5-VL.
        """
        self._options = options
        self._scripted = options.policy == ORACLE
        # The oracle speaks text; any Qwen2.5-VL tokenizer can hold it, and the tiny one needs no download.
        self.qwen: Qwen = build_tiny() if self._scripted else load_qwen(options.policy, device=options.device)

    def play(self, env: DeepEyesVectorEnv, requests: Iterable[RolloutRequest]) -> Iterator[Trajectory]:
        """Run one episode per request; trajectories in order of completion."""
        options = self._options
        if self._scripted:
            vocabulary = Vocabulary(self.qwen.tokenizer)
            return demonstrate_many(env, vocabulary, requests, max_tokens=options.max_tokens)
        policy = TransformersPolicy(self.qwen.model, self.qwen.tokenizer)
        return rollout(
            policy,
            env,
            requests,
            SamplingParams(options.temperature, options.max_turn_tokens),
            vocabulary=policy.vocabulary,
            max_tokens=options.max_tokens,
            infra_retries=options.infra_retries,
            versions={"policy": options.policy, "temperature": str(options.temperature)},
        )
