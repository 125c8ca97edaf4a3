"""What a task family is: a plan drawn from a seed, its pictures, and a scripted policy that solves it."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs

if TYPE_CHECKING:
    from deepeyes_env.episode import Observation

Oracle = Generator[str, "Observation", None]
"""A scripted policy: yields whole turn texts (`<think>` included) and is sent the observation after each."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A task before its pictures are drawn.

    Attributes:
        key: What makes the task this task. A hash of it decides the split, so two splits never share a key:
            for a looked-up fact the entity that the picture shows or names (`company/<name>`, the same in
            every family), for a picture whatever a policy could memorise.
        question: The question as the policy reads it; nothing in it lets the answer be guessed.
        answer: The reference answer.
        draw: Draws the question's images. Cosmetic choices (light, noise, clutter that does not matter) come
            from the generator passed in, which starts the same for a plan and its twin.
        twin: Draws a counterfactual twin: the same question about pictures in which one fact is changed, so
            that the answer is another one. The source draws again until answer and split are right.
        metadata: JSON-able facts for the oracle and for reports.
        further_keys: Keys of everything else that is shown and asked about; all must fall in the same split.
            Where a trail over pages ends is not among them: too few trails would remain (`docs/worlds.md`).
    """

    key: str
    question: str
    answer: Answer
    draw: Callable[[random.Random], tuple[EncodedImage, ...]]
    twin: Callable[[random.Random], Plan]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    further_keys: tuple[str, ...] = ()


W_contra = TypeVar("W_contra", contravariant=True)
"""The world that a family draws its facts from."""


@runtime_checkable
class Family(Protocol[W_contra]):
    """A kind of task. Implementations hold no state."""

    @property
    def name(self) -> str:
        """Lower-case words joined by hyphens; part of the task id."""
        ...

    @property
    def skills(self) -> frozenset[Skill]:
        """The skills every task of the family needs."""
        ...

    @property
    def tools(self) -> frozenset[str]:
        """The tools without which the oracle fails: a subset of `code`, `search`, `image_search`."""
        ...

    @property
    def knobs(self) -> Mapping[str, Knob]:
        """What makes its tasks harder, and how far that goes."""
        ...

    def plan(self, rng: random.Random, world: W_contra, knobs: Knobs) -> Plan:
        """Draw one task.

        Args:
            rng: The only source of chance.
            world: The entities, their facts and their pages.
            knobs: The setting of every knob of the family.
        """
        ...

    def oracle(self, task: Task) -> Oracle:
        """Solve `task` with the tools, or answer `unknown` when a tool gives nothing."""
        ...
