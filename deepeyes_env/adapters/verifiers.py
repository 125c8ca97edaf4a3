"""DeepEyes as a verifiers v1 taskset with its own environment and harness.

    vf-eval deepeyes -n 20 -r 4 --model MODEL --client.base-url URL --no-push

The environment plays the user's part: it opens the conversation with the question, performs what each turn
asks for and answers with text and images. Each model call goes through verifiers' interception server, so its
clients, traces, limits and retries are as in any other environment. A failure of sandbox, search or judge is
an `EnvError` of the episode, which `--env.retries` may repeat; it has no reward.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import verifiers.v1 as vf
from openai import AsyncOpenAI
from pydantic import Field
from verifiers.v1.dialects.chat import message_to_wire

from deepeyes_env.adapters.unscored import scored
from deepeyes_env.async_env import MAX_TOOLS, AsyncEpisode, DeepEyesAsyncEnv
from deepeyes_env.chat_parts import content_parts, dropped_stop, split_for_stop, thinking, up_to_stop
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.episode import Observation
from deepeyes_env.protocol import STOP_STRINGS
from deepeyes_env.runner import StepResult
from deepeyes_env.task import Split
from deepeyes_env.tasks import open_source

__all__ = ["DeepEyesEnv", "DeepEyesHarness", "DeepEyesTaskset"]


class DeepEyesData(vf.TaskData):
    """Which episode is to be played."""

    index: int
    split: Split
    seed: int


class DeepEyesTask(vf.Task[DeepEyesData]):
    """One episode; the environment itself scores it."""


class DeepEyesConfig(vf.TasksetConfig):
    """Which episodes there are, under `--env.taskset.*`."""

    settings: Path | None = None
    """Settings of the environment, a TOML file."""
    split: Split = "train"
    """The part of the task source."""
    start: int = Field(0, ge=0)
    """The first task."""
    seed: int = Field(0, ge=0)
    """Seeds the sandbox of every episode."""


class DeepEyesTaskset(vf.Taskset[DeepEyesTask, DeepEyesConfig]):
    """The tasks of a split, endlessly many in generated worlds."""

    def __init__(self, config: DeepEyesConfig) -> None:
        super().__init__(config)
        self.env_config = load_config(EnvConfig, config.settings)
        self._size = open_source(self.env_config.source).size(config.split)
        self.INFINITE = self._size is None

    def load(self) -> Iterator[DeepEyesTask]:
        """The tasks, by number; their pictures are drawn when they are played."""
        config = self.config
        for index in itertools.islice(itertools.count(), config.start, self._size):
            row = DeepEyesData(
                name=f"{config.split}/{index}", index=index, split=config.split, seed=config.seed
            )
            yield DeepEyesTask(row, config.task)


class DeepEyesHarness(vf.Harness[vf.HarnessConfig]):
    """One model call a turn, in this process: verifiers' own chat loop starts a program for each."""

    APPENDS_SYSTEM_PROMPT: ClassVar[bool] = True
    SUPPORTS_RESUME: ClassVar[bool] = True
    EXECUTES_CODE: ClassVar[bool] = False
    NEEDS_CONTAINER: ClassVar[bool] = False

    async def launch(
        self,
        ctx: vf.ModelContext,
        trace: vf.Trace,
        runtime: vf.Runtime,
        endpoint: str,
        secret: str,
        mcp_urls: dict[str, str],
        data: vf.TaskData,
    ) -> vf.ProgramResult:
        """Ask for the next turn of the conversation in `data.prompt`."""
        system, conversation = self.resolve_prompt(data)
        assert isinstance(conversation, list)  # the environment opens every conversation with a message
        opening = [vf.SystemMessage(content=system)] if system else []
        messages: Any = [message_to_wire(message) for message in [*opening, *conversation]]
        async with AsyncOpenAI(base_url=endpoint, api_key=secret) as client:
            await client.chat.completions.create(model=ctx.model, messages=messages)
        return vf.ProgramResult(exit_code=0, stdout="", stderr="")


class DeepEyesEnvConfig(vf.EnvConfig):
    """Who plays, under `--env.agent.*`."""

    agent: vf.AgentConfig = vf.AgentConfig(
        runtime=vf.SubprocessConfig(),
        sampling=vf.SamplingConfig(stop=list(STOP_STRINGS)),
    )


class DeepEyesEnv(vf.Env[DeepEyesEnvConfig]):
    """Plays the user's part of every episode, all of them over one task source, sandbox and search."""

    _episodes: DeepEyesAsyncEnv | None = None

    async def start(self) -> None:
        """Open what episodes share."""
        assert isinstance(self.taskset, DeepEyesTaskset)
        self._episodes = DeepEyesAsyncEnv(MAX_TOOLS, self.taskset.env_config)

    async def stop(self) -> None:
        """Free it."""
        if self._episodes is not None:
            self._episodes.close()

    async def run(self, task: vf.Task, agents: vf.Agents) -> None:
        """Play one episode and record its reward.

        Raises:
            EpisodeFailed: The infrastructure failed.
        """
        assert self._episodes is not None
        assert isinstance(task.data, DeepEyesData)
        episode = await self._episodes.begin(task.data.index, task.data.split, task.data.seed)
        if task.data.system_prompt is None:  # else `--env.taskset.system-prompt` has set another
            task = task.with_system_prompt(episode.info["system_prompt"])
        try:
            async with agents.agent.interaction(task) as interaction:
                result = await _play(episode, interaction, _keeps_stop(agents.agent.config.sampling))
        finally:
            await episode.close()
        if result is not None:
            _record(interaction.trace, result)


def _keeps_stop(sampling: vf.SamplingConfig) -> bool:
    """Whether the server leaves the stop string that ended a turn in its text, as vLLM can be told to."""
    return bool(getattr(sampling, "include_stop_str_in_output", False))


async def _play(episode: AsyncEpisode, interaction: vf.Interaction, keeps_stop: bool) -> StepResult | None:
    """The last step of the episode, or None if the model could not be asked."""
    observation = episode.observation
    while True:
        segment = await interaction.turn([_message(observation)])
        trace = interaction.trace
        if segment.terminated and trace.errors:
            return None  # the provider's failure, which the trace has; not the policy's
        if segment.terminated:
            return await episode.abandon()
        finish = trace.calls[-1].finish_reason
        turn = _turn(segment, may_lack_stop=finish == "stop" and not keeps_stop)
        if finish == "length" and not turn.endswith(STOP_STRINGS):
            return await episode.abandon()
        result = scored(await episode.step(turn), episode.failures)
        if result.done:
            return result
        observation = result.observation


def _message(observation: Observation) -> vf.UserMessage:
    return vf.UserMessage.model_validate({"content": content_parts(observation.text, observation.images)})


def _turn(segment: vf.Segment, may_lack_stop: bool) -> str:
    """The turn as the model wrote it: with its reasoning and the stop string that ended it, and no more."""
    message = segment.messages[-1]
    assert isinstance(message, vf.AssistantMessage)
    thought, text = split_for_stop(thinking(message.reasoning_content or ""), message.content or "")
    return thought + up_to_stop(text + (dropped_stop(text) if may_lack_stop else ""))


def _record(trace: vf.Trace, result: StepResult) -> None:
    trace.record_reward("deepeyes", result.reward)
    trace.record_metrics({name: float(result.info[name]) for name in ("accuracy", "format")})
    trace.info["deepeyes"] = result.info
