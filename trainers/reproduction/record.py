"""What is kept of a stage: its answers in the exam and its training curve, small and JSON-able."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from agents.metrics import tools_used
from agents.trajectory import Trajectory
from deepeyes_env.outcome import Outcome
from trainers.reproduction.placeholder import placeholders
from trainers.runs.metrics import Metrics

Way = Literal["sampled", "greedy", "toolless"]
"""At temperature 1, at temperature 0, and at temperature 0 with every call refused."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One task's episode.

    Attributes:
        task: The task's name.
        family: Its family.
        right: Whether the answer was right.
        format: Whether every turn kept the format.
        calls: Tool calls.
        placeholders: How many of them were placeholder code.
        tokens: Sampled tokens.
        scored: Whether the infrastructure held.
    """

    task: str
    family: str
    right: bool
    format: bool
    calls: int
    placeholders: int
    tokens: int
    scored: bool = True

    @classmethod
    def of(cls, one: Trajectory) -> Answered:
        """What is kept of a trajectory."""
        return cls(
            one.task_id,
            one.family,
            one.reward.accuracy == 1.0,
            one.reward.format == 1.0,
            tools_used(one).total(),
            placeholders(one),
            int(one.loss_mask.sum()),
            one.outcome is not Outcome.INFRA_FAILED,
        )


@dataclass(frozen=True, slots=True)
class Record:
    """What came of a stage.

    Attributes:
        exam: Answers by way, each in order of the tasks.
        curve: Metrics per step.
        seconds: Wall time of the stage.
    """

    exam: dict[Way, tuple[Answered, ...]]
    curve: tuple[Metrics, ...]
    seconds: float


def write_record(path: Path, record: Record) -> None:
    """Write a record as JSON."""
    path.write_text(json.dumps(asdict(record)))


def read_record(path: Path) -> Record:
    """Read what `write_record` wrote."""
    read = json.loads(path.read_text())
    exam = {way: tuple(Answered(**one) for one in answers) for way, answers in read["exam"].items()}
    return Record(exam, tuple(read["curve"]), read["seconds"])


def call_metrics(trajectories: Sequence[Trajectory]) -> Metrics:
    """What figure 4 is about, which the trainer's own metrics do not tell: calls, and the empty ones.

    Returns:
        `calls` per scored episode, and `placeholders` per call (0 without calls).
    """
    scored = [Answered.of(one) for one in trajectories if one.outcome is not Outcome.INFRA_FAILED]
    calls = sum(one.calls for one in scored)
    return {
        "calls": calls / max(len(scored), 1),
        "placeholders": sum(one.placeholders for one in scored) / max(calls, 1),
    }


def in_families(answers: Iterable[Answered], families: Iterable[str]) -> list[Answered]:
    """The scored answers to tasks of some families."""
    wanted = frozenset(families)
    return [one for one in answers if one.scored and one.family in wanted]
