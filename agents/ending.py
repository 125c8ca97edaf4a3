"""How an episode ended, and the record that is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agents.trajectory import SeedLineage, Trajectory
from agents.transcript import Transcript
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import NO_REWARD, Reward
from deepeyes_env.runner import StepResult
from deepeyes_env.task import Task


@dataclass(frozen=True, slots=True)
class Ending:
    """How an episode ended.

    Attributes:
        outcome: In which way.
        reward: What for; none unless it was answered.
        answer: The policy's final answer or None.
    """

    outcome: Outcome
    reward: Reward = NO_REWARD
    answer: str | None = None

    @classmethod
    def of(cls, result: StepResult) -> Ending:
        """What the environment says of an episode's last step."""
        info = result.info
        reward = Reward(info["accuracy"], info["format"], info["total"])
        return cls(Outcome(info["outcome"]), reward, info["answer"] or None)

    def record(
        self, transcript: Transcript, task: Task, lineage: SeedLineage, versions: Mapping[str, str]
    ) -> Trajectory:
        """The finished episode.

        Args:
            transcript: Its conversation.
            task: Its task.
            lineage: Names the draw.
            versions: Stored with it.
        """
        return transcript.to_trajectory(
            family=task.family,
            skills=task.skills,
            question=task.question,
            reference=task.answer.text,
            answer=self.answer,
            reward=self.reward,
            outcome=self.outcome,
            lineage=lineage,
            versions=versions,
        )
