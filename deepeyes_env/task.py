"""A task: one question about one or more images, with its exact answer. And where tasks come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from deepeyes_env.images import EncodedImage

if TYPE_CHECKING:
    from deepeyes_env.search.base import SearchEngine

Split = Literal["train", "validation", "test"]
"""The three disjoint parts of a task source."""

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Skill(StrEnum):
    """What a task needs (the ability labels of RealX-Bench, paper section 4)."""

    PERCEPTION = "perception"
    REASONING = "reasoning"
    SEARCH = "search"


@dataclass(frozen=True, slots=True)
class Answer:
    """The reference answer and everything a rule needs to recognise it.

    Attributes:
        text: The canonical answer.
        aliases: Other wordings that are right too.
        choices: Multiple choice: letter -> option text, else empty.
        tolerance: Largest relative error of a numeric answer that still counts; 0 means exact.
        unit: Unit of a numeric answer ("km", "%"), which the policy may leave out, or None.
    """

    text: str
    aliases: tuple[str, ...] = ()
    choices: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 0.0
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One image-question task.

    Attributes:
        id: A name that stays the same forever, e.g. `fictional/closer-look/train/17`.
        question: The question as the policy reads it, without instructions and image markers.
        images: The question's images at their original resolution; `images[0]` is `image_1` in the sandbox.
        answer: The reference answer. Never shown to the policy.
        skills: The skills the task needs.
        family: The task family or dataset part it belongs to.
        system_prompt: A system prompt carried by the dataset row; None means the configured one.
        metadata: JSON-able facts for the oracle and for reports. Never shown to the policy.
    """

    id: str
    question: str
    images: tuple[EncodedImage, ...]
    answer: Answer
    skills: frozenset[Skill] = frozenset()
    family: str = ""
    system_prompt: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class TaskSource(Protocol):
    """A deterministic, indexable supply of tasks."""

    @property
    def name(self) -> str:
        """Short name used in task ids and reports."""
        ...

    def size(self, split: Split) -> int | None:
        """Number of tasks in `split`, or None when the source is endless."""
        ...

    def task(self, index: int, split: Split = "train") -> Task:
        """The task at `index` (>= 0): always the same one.

        Raises:
            IndexError: `index` is outside `size(split)`.
        """
        ...

    def search_engine(self) -> SearchEngine | None:
        """The engine over this source's own corpus, or None when it has none."""
        ...
