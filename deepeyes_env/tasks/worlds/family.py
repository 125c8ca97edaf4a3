"""What a task family is: a plan drawn from a seed, its pictures, and a scripted policy that solves it."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task

if TYPE_CHECKING:
    from deepeyes_env.episode import Observation
    from deepeyes_env.tasks.worlds.world import World

Oracle = Generator[str, "Observation", None]
"""A scripted policy: yields whole turn texts (`<think>` included) and is sent the observation after each."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A task before its pictures are drawn.

    Attributes:
        key: What makes the task this task. A hash of it decides the split, so two splits never share a key:
            for a looked-up fact the entity asked about (`company/<name>`, the same in every family), for a
            picture whatever a policy could memorise.
        question: The question as the policy reads it.
        answer: The reference answer.
        draw: Draws the question's images; called at most once, and only when the plan is used.
        metadata: JSON-able facts for the oracle and for reports.
        further_keys: Keys of everything else that is asked about; all must fall in the same split.
    """

    key: str
    question: str
    answer: Answer
    draw: Callable[[], tuple[EncodedImage, ...]]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    further_keys: tuple[str, ...] = ()


@runtime_checkable
class Family(Protocol):
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

    def plan(self, rng: random.Random, world: World) -> Plan:
        """Draw one task.

        Args:
            rng: The only source of chance; cosmetic choices made in `Plan.draw` come from it too.
            world: The entities, their facts and their pages.
        """
        ...

    def oracle(self, task: Task) -> Oracle:
        """Solve `task` with the tools, or answer `unknown` when a tool gives nothing."""
        ...
