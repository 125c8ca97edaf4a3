"""A trajectory in a few words: what a list of thousands shows and filters by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.metrics import TOOL_ACTIONS
from agents.trajectory import SeedLineage
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward


@dataclass(frozen=True, slots=True)
class Summary:
    """What can be said of a record without its token arrays and images.

    Attributes:
        task_id: The task's name.
        family: The task's family.
        skills: What the task needs, sorted.
        question: The question's text.
        reference: The reference answer.
        answer: The policy's final answer or None.
        outcome: How the episode ended.
        reward: The reward and its parts.
        tools: The tools that were called, in order, with repetitions.
        turns: Number of turns.
        tokens: Number of tokens that the policy sampled.
        images: Number of images, repetitions included.
        lineage: Which draw this is.
        token_exact: Whether a policy sampled the tokens.
    """

    task_id: str
    family: str
    skills: tuple[str, ...]
    question: str
    reference: str
    answer: str | None
    outcome: Outcome
    reward: Reward
    tools: tuple[str, ...]
    turns: int
    tokens: int
    images: int
    lineage: SeedLineage
    token_exact: bool


def summarise_record(record: Mapping[str, Any]) -> Summary:
    """Read the summary off a record; its token arrays may be missing."""
    turns = record["turns"]
    return Summary(
        task_id=record["task_id"],
        family=record["family"],
        skills=tuple(record["skills"]),
        question=record["question"],
        reference=record["reference"],
        answer=record["answer"],
        outcome=Outcome(record["outcome"]),
        reward=Reward(**record["reward"]),
        tools=tuple(turn["action"] for turn in turns if turn["action"] in TOOL_ACTIONS),
        turns=len(turns),
        tokens=sum(turn["end"] - turn["start"] for turn in turns),
        images=len(record["images"]),
        lineage=SeedLineage(**record["lineage"]),
        token_exact=record["token_exact"],
    )
