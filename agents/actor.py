"""Who acts on which tasks: the options that every command with a policy shares, and what they open."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agents.chosen_tasks import with_tasks
from agents.event_loop import iterate, run
from agents.policy import Policy, SamplingParams
from agents.rollout import RolloutLimits, stream
from agents.rollout_stats import RolloutStats
from agents.scripted import ScriptSpeaker, oracle_program, script_name
from agents.speaker import PolicySpeaker, RolloutRequest, Speaker
from agents.trajectory import Trajectory
from agents.transcript import MAX_TOKENS, ContextFull
from agents.vocabulary import Vocabulary, VocabularyError
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.errors import ConfigError, require, require_url
from deepeyes_env.task import Split, TaskSource

if TYPE_CHECKING:
    from agents.chat.config import ChatConfig
    from agents.chat.speaker import ChatSpeaker

ORACLE = "oracle"
"""Name of the scripted policy."""

UNCOUNTED = 2**31 - 1
"""Tokens that no conversation has: the transcript's limit where its tokenizer does not count as the model
does."""

Backend = Literal["transformers", "vllm", "api"]
"""What runs a policy."""


@dataclass(frozen=True, kw_only=True)
class PolicyOptions:
    """A policy and how it is run, whatever its tasks.

    Attributes:
        policy: A Qwen2.5-VL checkpoint (directory or hub id), the model's name at an API, or `oracle` for the
            task families' own scripts.
        backend: What runs the policy: `transformers` in this process; `vllm` in this process or, with
            `--urls`, on servers; `api`, any OpenAI-compatible chat server.
        urls: Addresses of vLLM servers, or the one of the chat API up to and including `/v1`.
        api: TOML file of the chat API's other settings (`ChatConfig`): its key's variable, prices, rates,
            budget.
        env: TOML file of the environment (`EnvConfig`); default: the generated world.
        num_envs: Episodes at once.
        temperature: Of sampling; 0 is greedy.
        max_turn_tokens: Tokens per turn (reference 1.5).
        max_tokens: Tokens of a conversation above which it is truncated (reference 1.5).
        episode_seconds: Wall time after which an episode is truncated, without the time in which an API must
            not be asked yet; default: no limit.
        tool_seconds: Wall time after which a tool call counts as failed infrastructure; default: no limit
            but the tools' own.
        infra_retries: How often an episode is begun anew when the infrastructure failed.
        tokenizer: Directory or hub id of the Qwen2.5-VL tokenizer that writes and counts what an API or the
            oracle says; default: the tiny model's, which counts too many tokens, so that for an API without
            one `max_tokens` is compared with an estimate.
        device: Where the model runs (`transformers`).
        dtype: Precision of its weights.
    """

    policy: str
    backend: Backend = "transformers"
    urls: tuple[str, ...] = ()
    api: Path | None = None
    env: Path | None = None
    num_envs: int = 8
    temperature: float = 1.0
    max_turn_tokens: int = 8192
    max_tokens: int = MAX_TOKENS
    episode_seconds: float | None = None
    tool_seconds: float | None = None
    infra_retries: int = 1
    tokenizer: str | None = None
    device: str = "cpu"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"

    def __post_init__(self) -> None:
        least = {"num_envs": 1, "max_turn_tokens": 1, "max_tokens": 1, "temperature": 0, "infra_retries": 0}
        require_at_least(self, least)
        require(self.temperature < math.inf, "temperature", self.temperature, "finite")
        for key in ("episode_seconds", "tool_seconds"):
            seconds = getattr(self, key)
            require(seconds is None or seconds > 0, key, seconds, "more than 0, or left out for no limit")
        for url in self.urls:  # before any is repeated in a message
            require_url("urls", url)
        if self.urls and self.backend == "transformers":
            raise ConfigError(
                f"urls = {self.urls!r}: the transformers backend runs here; add --backend vllm or api"
            )
        if self.backend == "api" and len(self.urls) > 1:
            raise ConfigError(f"urls = {self.urls!r}: the api backend needs the one address of its server")
        if self.api is not None and self.backend != "api":
            raise ConfigError(f"api = {str(self.api)!r}: settings of a chat API; add --backend api")
        if self.backend == "vllm" and self.policy != ORACLE:
            _require_vllm_temperature(self.temperature)

    @property
    def params(self) -> SamplingParams:
        """How to sample."""
        return SamplingParams(self.temperature, self.max_turn_tokens)

    @property
    def limits(self) -> RolloutLimits:
        """What an episode may use up."""
        counted = self.backend != "api" or self.policy == ORACLE or self.tokenizer is not None
        return RolloutLimits(
            self.max_tokens if counted else UNCOUNTED, self.episode_seconds, self.tool_seconds
        )

    @property
    def versions(self) -> dict[str, str]:
        """What trajectories say of who spoke."""
        if self.policy == ORACLE:
            return {"policy": script_name(oracle_program)}
        return {"policy": self.policy, "backend": self.backend, "temperature": str(self.temperature)}

    @property
    def chat(self) -> ChatConfig:
        """The chat API.

        Raises:
            ConfigError: The `api` file cannot be used.
        """
        from agents.chat.config import ChatConfig

        named = {"model": self.policy} | ({"base_url": self.urls[0]} if self.urls else {})
        return load_config(ChatConfig, self.api, **named)


@dataclass(frozen=True, kw_only=True)
class ActorOptions(PolicyOptions):
    """A policy and its tasks.

    Attributes:
        tasks: Task families of its world (`deepeyes tasks list`), or files of tasks: JSON Lines, parquet of
            DeepEyesV2's RL data, or the `tasks.json` of `deepeyes curate`; default: what `env` says.
        split: Part of the task source.
        first: Index of the first task.
        n: Number of tasks.
        seed: Names the run; the same seed draws the same samples.
    """

    tasks: tuple[str, ...] = ()
    split: Split = "validation"
    first: int = 0
    n: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, {"n": 1, "first": 0, "seed": 0})

    @property
    def indexes(self) -> range:
        """The tasks."""
        return range(self.first, self.first + self.n)

    def require_tasks(self, source: TaskSource) -> None:
        """See that the source has all the tasks that are asked for, before anything is started on the first.

        Raises:
            ConfigError: It has fewer.
        """
        size = source.size(self.split)
        if size is not None and self.indexes.stop > size:
            raise ConfigError(
                f"first = {self.first}, n = {self.n}: split {self.split!r} of {source.name!r} has {size} "
                f"tasks, counted from 0; --first and --n together must not exceed {size}"
            )

    @property
    def env_config(self) -> EnvConfig:
        """The environment's settings.

        Raises:
            ConfigError: The file cannot be used, or the tasks are not there.
        """
        return with_tasks(load_config(EnvConfig, self.env), self.tasks, self.split)


def require_at_least(options: object, least: dict[str, int]) -> None:
    """Check lower bounds.

    Raises:
        ConfigError: A value is below its bound.
    """
    for key, lowest in least.items():
        value = getattr(options, key)
        if not value >= lowest:
            raise ConfigError(f"{key} = {value!r}: must be at least {lowest}")


def _require_vllm_temperature(temperature: float) -> None:
    """Refuse a temperature at which vLLM tells other log-probabilities than those that trajectories hold.

    Raises:
        ConfigError: It does.
    """
    from agents.vllm.requests import TEMPERATURES

    require(
        temperature in TEMPERATURES,
        "temperature",
        temperature,
        "0 or 1 with the vllm backend, whose log-probabilities are those of no other",
    )


def no_room(error: ContextFull) -> str:
    """What a user can do about a prompt that alone is too long."""
    return (
        f"there is no room for the prompt: {error}; raise --max-tokens, or lower max_pixels in --env (and "
        "--max-turn-tokens, if it is a service that refuses)"
    )


class Actor:
    """An opened policy.

    Attributes:
        speaker: Who takes the turns.
        chat: The same where a chat API takes them, else None; its client knows what it has used up.
    """

    chat: ChatSpeaker | None = None

    def __init__(self, options: PolicyOptions, vocabulary: Vocabulary | None = None) -> None:
        """Open the policy.

        Args:
            options: Which one.
            vocabulary: Encodes what a speaker of text says, an API or a script; default: that of
                `options.tokenizer`.

        Raises:
            ConfigError: A package of its backend is not installed, a server is not what it should be, or a
                tokenizer is named for a policy that has its own.
            ModelError: It is no Qwen2.5-VL.
            PolicyError: A server is not there.
        """
        self._options = options
        self._words = vocabulary
        self._policy: Policy | None = None
        self.speaker = self._open()

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer that its trajectories are written with."""
        return self.speaker.vocabulary

    def play(
        self, env: DeepEyesAsyncEnv, requests: Iterable[RolloutRequest], stats: RolloutStats | None = None
    ) -> Generator[Trajectory, None, None]:
        """Run one episode per request; trajectories in the order of the requests. To be closed: `iterate`."""
        return iterate(self.stream(env, requests, stats))

    def stream(
        self, env: DeepEyesAsyncEnv, requests: Iterable[RolloutRequest], stats: RolloutStats | None = None
    ) -> AsyncIterator[Trajectory]:
        """The same for callers with an event loop."""
        options = self._options
        return stream(
            self.speaker,
            env,
            requests,
            limits=options.limits,
            infra_retries=options.infra_retries,
            stats=stats,
            versions=self.versions,
        )

    def close(self) -> None:
        """Free what the policy holds. Idempotent."""
        for opened in (self._policy, self.chat):
            if opened is not None:
                run(opened.close())

    def bill(self) -> list[str]:
        """What a chat API has been asked to do, in words; nothing where there is none."""
        if self.chat is None:
            return []
        return [str(self.chat.client.account)]

    @property
    def versions(self) -> dict[str, str]:
        """What its trajectories say of who spoke."""
        return self._options.versions

    def _open(self) -> Speaker:
        options = self._options
        if options.policy == ORACLE:
            return ScriptSpeaker(oracle_program, self._words or text_vocabulary(options.tokenizer))
        if options.backend != "api" and self._words is None:
            own = "left out: the policy has its own, which is part of its checkpoint"
            require(options.tokenizer is None, "tokenizer", options.tokenizer, own)
        if options.backend == "transformers":
            self._policy = _transformers_policy(options)
            return PolicySpeaker(self._policy, options.params)
        if options.backend == "api":
            self.chat = _chat_speaker(options, self._words or text_vocabulary(options.tokenizer))
            return self.chat
        self._policy = vllm_policy(options.policy, options.urls, options.dtype)
        return PolicySpeaker(self._policy, options.params)


def text_vocabulary(tokenizer: str | None = None) -> Vocabulary:
    """For speakers of text, which any Qwen2.5-VL tokenizer can hold.

    Args:
        tokenizer: Directory or hub id; default: the tiny model's, which needs no download.

    Raises:
        ConfigError: It is none, or another model's.
    """
    if tokenizer is None:
        from agents.tiny import build_tiny

        return Vocabulary(build_tiny().tokenizer)
    from transformers import AutoTokenizer

    try:
        return Vocabulary(AutoTokenizer.from_pretrained(tokenizer))
    except (OSError, ValueError, VocabularyError) as error:
        raise ConfigError(
            f"tokenizer {tokenizer!r}: {error}; name the directory or hub id of a Qwen2.5-VL"
        ) from error


def _chat_speaker(options: PolicyOptions, vocabulary: Vocabulary) -> ChatSpeaker:
    from agents.chat.client import ChatClient
    from agents.chat.speaker import ChatSpeaker

    counted = options.limits.max_tokens != UNCOUNTED
    limit = None if counted else options.max_tokens
    return ChatSpeaker(ChatClient(options.chat), vocabulary, options.params, max_tokens=limit)


def vllm_policy(checkpoint: str, urls: Sequence[str], dtype: str, weights: Path | None = None) -> Policy:
    """A policy on vLLM; see `agents.vllm.opening.open_vllm`.

    Args:
        checkpoint: A Qwen2.5-VL checkpoint.
        urls: Addresses of servers; none starts an engine in this process.
        dtype: Precision of the engine in this process; servers have their own.
        weights: Folder through which servers get new weights; None is a temporary one on this machine.

    Raises:
        ConfigError: A package is not installed, or a server was started with other flags.
        ModelError: The checkpoint is not there, or is no Qwen2.5-VL.
        PolicyError: A server is not there.
    """
    try:
        import httpx
    except ImportError as error:
        raise ConfigError(
            "vLLM servers are spoken to with httpx: pip install 'deepeyes-gym[http]'"
        ) from error

    from agents.vllm.opening import open_vllm
    from agents.vllm.requests import EngineMismatch
    from agents.vllm.weights import WeightFolder

    try:
        if urls:
            return open_vllm(checkpoint, urls, weights=None if weights is None else WeightFolder(weights))
        return open_vllm(checkpoint, dtype=dtype)
    except (ImportError, EngineMismatch, httpx.InvalidURL) as error:
        raise ConfigError(f"backend = 'vllm': {error}") from error


def _transformers_policy(options: PolicyOptions) -> Policy:
    import torch

    from agents.qwen import load_qwen
    from agents.transformers_policy import TransformersPolicy

    qwen = load_qwen(options.policy, dtype=getattr(torch, options.dtype), device=options.device)
    return TransformersPolicy(qwen.model, qwen.tokenizer)
