"""What is trained, as data: a stage names everything that decides its outcome, and is addressed by its hash.

    base = Base(0, EyesConfig(), Exam())
    cold = Cold(0, base, "hasty", skills, ...)
    rl = Reinforced(0, cold, skills, DapoConfig(...))
    address(rl)                                       # "reinforced-3f0c…": the name of its folder

Two arms that begin alike share the stages in which they are alike.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from trainers.config import DapoConfig, SftConfig
from trainers.quickstart.visual_pretraining import EyesConfig

Skill = Literal["perception", "reasoning", "search"]
Skills = tuple[Skill, ...]

ALL_SKILLS: Skills = ("perception", "reasoning", "search")

VERSION = 1
"""Part of every address: to be raised when the code of a stage changes what comes of it."""


@dataclass(frozen=True, slots=True)
class Exam:
    """How what comes of a stage is examined, on held-out tasks of all families.

    Attributes:
        tasks: Tasks per way of answering, the families in turn.
        turn_tokens: Tokens per turn, also in training.
        episode_tokens: Tokens of a conversation, also in training.
    """

    tasks: int = 256
    turn_tokens: int = 80
    episode_tokens: int = 600


@dataclass(frozen=True, slots=True)
class Base:
    """A tiny model that sees and copies, but has never written code or called a tool.

    Attributes:
        seed: Seeds weights and lessons.
        lessons: Lessons about pictures and texts.
        exam: How it is examined.
    """

    seed: int
    lessons: EyesConfig
    exam: Exam


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """What SFT imitates.

    Attributes:
        teacher: `hasty`, or `novice` for a base that has only seen the format.
        skills: The skills demonstrated.
        right: A novice's share of right calls; 0 for the hasty teacher, which always calls rightly.
        episodes: Episodes of the teacher.
        toolless: Episodes that show how to go on after a refused call.
        rehearsal: Lessons of the base's kind.
    """

    teacher: Literal["hasty", "novice"]
    skills: Skills
    right: float = 0.0
    episodes: int = 3200
    toolless: int = 256
    rehearsal: int = 1600


@dataclass(frozen=True, slots=True)
class Cold:
    """A model after SFT.

    Attributes:
        seed: Seeds demonstrations and batches.
        start: What it begins from.
        data: What it imitates.
        sft: Settings.
        exam: How it is examined.
    """

    seed: int
    start: Base
    data: Demonstrations
    sft: SftConfig
    exam: Exam


@dataclass(frozen=True, slots=True)
class Reinforced:
    """A model after reinforcement learning.

    Attributes:
        seed: Seeds prompts, samples and batches.
        start: What it begins from.
        skills: The skills of its training tasks.
        dapo: Settings.
        exam: How it is examined.
        reward: `EnvConfig.reward`.
        keep: What has to vary for a group to train: the accuracy, or the shaped reward.
        fault_rate: Probability that the sandbox fails in a cell.
        blame: Whether such failures are scored as the policy's, with 0, instead of masked.
    """

    seed: int
    start: Base | Cold
    skills: Skills
    dapo: DapoConfig
    exam: Exam
    reward: str = "deepeyesv2"
    keep: Literal["accuracy", "reward"] = "accuracy"
    fault_rate: float = 0.0
    blame: bool = False


Stage = Base | Cold | Reinforced
"""Any stage."""


def address(stage: Stage) -> str:
    """The name of a stage's folder: its kind and the hash of all that decides its outcome."""
    plain = json.dumps([VERSION, _plain(stage)], sort_keys=True).encode()
    return f"{type(stage).__name__.lower()}-{hashlib.sha256(plain).hexdigest()[:16]}"


def parent(stage: Stage) -> Stage | None:
    """The stage that must be done before."""
    return None if isinstance(stage, Base) else stage.start


def lineage(stage: Stage) -> list[Stage]:
    """A stage and all it needs, first things first."""
    before = parent(stage)
    return [*(lineage(before) if before else ()), stage]


def _plain(value: Any) -> Any:
    """JSON-able; dataclasses with their names, without settings that decide nothing."""
    if is_dataclass(value) and not isinstance(value, type):
        told = {f.name: _plain(getattr(value, f.name)) for f in fields(value) if not _is_free(f)}
        return {"": type(value).__name__, **told}
    return list(value) if isinstance(value, tuple) else value


DECIDING = ("steps", "infra_retries", "tool_seconds")
"""They decide the outcome, however freely they may be changed when a run is resumed."""

IDLE = ("max_prompt_tokens",)
"""They decide nothing here, and came after the first results: no prompt is as long."""


def _is_free(item: Any) -> bool:
    free = bool(item.metadata.get("free_on_resume")) and item.name not in DECIDING
    return free or item.name in IDLE
