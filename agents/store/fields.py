"""The fields of a trajectory that every stored form holds in the same plain values.

What differs from form to form is left to it: images, token arrays and versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from agents.trajectory import ImageSpan, SeedLineage, Trajectory, Turn
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward


def to_fields(trajectory: Trajectory) -> dict[str, Any]:
    """The common fields as JSON-able values."""
    return {
        "task_id": trajectory.task_id,
        "family": trajectory.family,
        "skills": list(trajectory.skills),
        "system_prompt": trajectory.system_prompt,
        "prompt": trajectory.prompt,
        "question": trajectory.question,
        "reference": trajectory.reference,
        "answer": trajectory.answer,
        "outcome": trajectory.outcome.value,
        "reward": asdict(trajectory.reward),
        "turns": [asdict(turn) for turn in trajectory.turns],
        "image_spans": [asdict(span) for span in trajectory.image_spans],
        "lineage": asdict(trajectory.lineage),
        "token_exact": trajectory.token_exact,
    }


def from_fields(fields: Mapping[str, Any], **others: Any) -> Trajectory:
    """The trajectory.

    Args:
        fields: What `to_fields` gave; more is ignored.
        **others: The fields that it leaves out.

    Raises:
        KeyError: A field is missing.
        ValueError: One has a value that it cannot have.
    """
    return Trajectory(
        task_id=fields["task_id"],
        family=fields["family"],
        skills=tuple(fields["skills"]),
        system_prompt=fields["system_prompt"],
        prompt=fields["prompt"],
        question=fields["question"],
        reference=fields["reference"],
        answer=fields["answer"],
        outcome=Outcome(fields["outcome"]),
        reward=Reward(**fields["reward"]),
        turns=tuple(Turn(**turn) for turn in fields["turns"]),
        image_spans=tuple(spans_of(fields)),
        lineage=SeedLineage(**fields["lineage"]),
        token_exact=fields["token_exact"],
        **others,
    )


def spans_of(fields: Mapping[str, Any]) -> list[ImageSpan]:
    """The image spans alone."""
    return [ImageSpan(span["start"], span["length"], tuple(span["grid"])) for span in fields["image_spans"]]
