"""A slot in which episodes run one after the other: the part that the single and the vector env share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepeyes_env.config import EnvConfig
from deepeyes_env.episode import End, Episode, Observation
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import (
    Action,
    CodeOutput,
    Finish,
    InfraFailure,
    InvalidCall,
    Malformed,
    RunCode,
    SearchImage,
    SearchText,
    ToolError,
    ToolResult,
)
from deepeyes_env.rewards.base import NO_REWARD, Reward
from deepeyes_env.rewards.combine import score
from deepeyes_env.rewards.judge import Judge, JudgeError
from deepeyes_env.rewards.mathematics import MathematicsError
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.search.base import SearchEngine
from deepeyes_env.search.wrappers.blocklist import WithoutQuestion
from deepeyes_env.task import Task
from deepeyes_env.telemetry import Telemetry
from deepeyes_env.tools import EpisodeTools

ACTION_NAMES: dict[type[Action], str] = {
    RunCode: "code",
    SearchText: "search",
    SearchImage: "image_search",
    Finish: "answer",
    InvalidCall: "invalid",
    Malformed: "malformed",
}
"""Names of the actions in `info` and in trajectories."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step gave.

    Attributes:
        observation: What the policy sees next; empty at the end.
        reward: The episode's reward at its end, else 0.
        terminated: The episode ended by an answer or a malformed turn.
        truncated: The episode ended by a limit or a failure of the infrastructure.
        info: Deterministic and JSON-able facts about the step.
    """

    observation: Observation
    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any]

    @property
    def done(self) -> bool:
        """Whether the episode has ended."""
        return self.terminated or self.truncated


def infra_failed(known: Mapping[str, Any], turns: int, action: str | None) -> StepResult:
    """The end of an episode that was lost with its host, as a failure of any other infrastructure looks.

    Args:
        known: What its infos repeat: `task_id` and `family`.
        turns: Turns taken, the lost one included.
        action: Name of the lost turn's action; None when it was abandoned.
    """
    info = {**known, "turn": turns} | ({"action": action} if action else {})
    info |= {"outcome": str(Outcome.INFRA_FAILED), "answer": ""}
    info |= {"accuracy": 0.0, "format": 0.0, "total": 0.0, "rule": "none"}
    return StepResult(Observation(), 0.0, terminated=False, truncated=True, info=info)


@dataclass(frozen=True, slots=True)
class Services:
    """What episodes need from the outside, shared by all slots.

    Attributes:
        sandbox: Gives the sandbox when it is first needed.
        engine: The search engine, or None.
        judge: The LLM judge, or None.
    """

    sandbox: Callable[[], Sandbox]
    engine: SearchEngine | None
    judge: Judge | None


class EpisodeRunner:
    """Runs one episode at a time. Not thread-safe: one caller per runner."""

    def __init__(self, config: EnvConfig, services: Services) -> None:
        """Make an idle runner.

        Args:
            config: The rules.
            services: Sandbox, search and judge.
        """
        self.telemetry = Telemetry()
        self.episode: Episode | None = None
        self.reward: Reward | None = None
        self._config = config
        self._services = services
        self._tools: EpisodeTools | None = None

    def start(self, task: Task, rng: np.random.Generator) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; an unfinished one is dropped.

        Args:
            task: The task.
            rng: Draws the session's seed.

        Returns:
            The first observation and its info.
        """
        self.close()
        self.episode = None
        with self.telemetry.measure("reset"):
            episode = Episode(task, self._config)
            observation = episode.start()
        self.episode, self.reward = episode, None
        engine = self._services.engine
        self._tools = EpisodeTools(
            sandbox=self._services.sandbox,
            engine=engine and WithoutQuestion(engine, task.question),
            images=episode.sandbox_images,
            originals=task.images,
            seed=int(rng.integers(2**31)),
            hits=self._config.search_hits,
            telemetry=self.telemetry,
        )
        return observation, {
            "task_id": task.id,
            "family": task.family,
            "turn": 0,
            "system_prompt": episode.system_prompt,
        }

    def step(self, text: str) -> StepResult:
        """Take the policy's turn, perform what it asks for, and score the episode if it ends."""
        episode, tools = self._running()
        effect = episode.act(text)
        if isinstance(effect, End):
            return self._finish()
        result = effect if isinstance(effect, ToolError) else tools.perform(effect)
        if isinstance(result, InfraFailure):
            self.telemetry.failures.append(result.reason)
        observation = episode.observe(result)
        if observation is None:
            return self._finish()
        info = self._info() | {"tool_ok": _tool_ok(result)}
        return StepResult(observation, 0.0, terminated=False, truncated=False, info=info)

    def abandon(self) -> StepResult:
        """End the running episode as truncated: the policy ran out of tokens."""
        self._running()[0].truncate()
        return self._finish()

    def close(self) -> None:
        """Free what the episode holds. Idempotent."""
        tools, self._tools = self._tools, None
        if tools is not None:
            tools.close()

    @property
    def task(self) -> Task | None:
        """The episode's task, or None before the first."""
        return None if self.episode is None else self.episode.task

    @property
    def running(self) -> bool:
        """Whether an episode goes on."""
        return self.episode is not None and self.episode.outcome is None

    def _running(self) -> tuple[Episode, EpisodeTools]:
        if self.episode is None or self._tools is None or self.episode.outcome:
            raise RuntimeError("no episode is running in this slot; start one first")
        return self.episode, self._tools

    def _info(self) -> dict[str, Any]:
        episode = self.episode
        assert episode is not None
        info: dict[str, Any] = {
            "task_id": episode.task.id,
            "family": episode.task.family,
            "turn": len(episode.turns),
        }
        return info | ({"action": ACTION_NAMES[type(episode.actions[-1])]} if episode.actions else {})

    def _finish(self) -> StepResult:
        episode = self.episode
        assert episode is not None
        self.close()
        reward, rule = self._score(episode)
        self.reward = reward
        info = self._info() | {
            "outcome": str(episode.outcome),
            "answer": episode.answer or "",
            "accuracy": reward.accuracy,
            "format": reward.format,
            "total": reward.total,
            "rule": rule,
        }
        terminated = episode.outcome in (Outcome.ANSWERED, Outcome.MALFORMED)
        return StepResult(Observation(), reward.total, terminated, not terminated, info)

    def _score(self, episode: Episode) -> tuple[Reward, str]:
        if episode.outcome is not Outcome.ANSWERED:
            return NO_REWARD, "none"
        try:
            with self.telemetry.measure("grade"):
                reward, grade = score(episode.result, self._config, self._services.judge)
        except (JudgeError, MathematicsError) as error:
            self.telemetry.failures.append(str(error))
            episode.fail()
            return NO_REWARD, "none"
        return reward, grade.rule


def _tool_ok(result: ToolResult) -> bool:
    match result:
        case CodeOutput(failed=failed):
            return not failed
        case ToolError() | InfraFailure():
            return False
    return True
