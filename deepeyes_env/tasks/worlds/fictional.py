"""The fictional world as a task source: `(seed, split, index)` names a task forever."""

from __future__ import annotations

import hashlib
import itertools
import random
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING

from deepeyes_env.task import SPLITS, Split, Task
from deepeyes_env.tasks.worlds import FAMILY_MODULES, family
from deepeyes_env.tasks.worlds.family import Family, Plan

if TYPE_CHECKING:
    from deepeyes_env.search.base import SearchEngine
    from deepeyes_env.tasks.worlds.world import World

SPLIT_TENTHS: dict[Split, range] = {"train": range(0, 6), "validation": range(6, 8), "test": range(8, 10)}
"""Tenths of the key space that each split owns; disjoint, so that splits share no plan key."""

RECENT_TASKS = 64
"""Tasks kept after they were drawn: the samples of a group ask for the same one again and again."""


class FictionalWorld:
    """Tasks of all chosen families in turn: task `index` belongs to family `index % len(families)`."""

    def __init__(self, seed: int = 0, families: tuple[str, ...] = ()) -> None:
        """Choose a world.

        Args:
            seed: Names the world.
            families: Family names; empty means all.

        Raises:
            ConfigError: A family is unknown.
        """
        self.seed = seed
        self._families = tuple(family(name) for name in families or FAMILY_MODULES)

    @property
    def name(self) -> str:
        """Name of the source in task ids."""
        return f"fictional-{self.seed}"

    def size(self, split: Split) -> int | None:
        """None: the world never runs out of tasks."""
        return None

    @cached_property
    def world(self) -> World:
        """The entities and their facts, generated on first use."""
        from deepeyes_env.tasks.worlds.world import make_world

        return make_world(self.seed)

    def task(self, index: int, split: Split = "train") -> Task:
        """The task at `index` of `split`.

        Raises:
            IndexError: `index` is negative.
            ValueError: There is no such split.
        """
        return _drawn(self, index, split)

    def draw(self, index: int, split: Split) -> Task:
        """The task at `index` of `split`, drawn anew; raises as `task`."""
        plan, chosen = self.plan(index, split), self._family_of(index)
        return Task(
            id=self._task_id(index, split),
            question=plan.question,
            images=plan.draw(),
            answer=plan.answer,
            skills=chosen.skills,
            family=chosen.name,
            metadata=plan.metadata,
        )

    def plan(self, index: int, split: Split) -> Plan:
        """The task at `index` of `split` before its pictures are drawn; raises as `task`."""
        if index < 0:
            raise IndexError(f"task index {index} is negative")
        if split not in SPLITS:
            raise ValueError(f"unknown split {split!r}; expected one of {', '.join(SPLITS)}")
        for attempt in itertools.count():
            # `random.Random(str)` seeds by SHA-512: the same stream in every process and on every platform.
            rng = random.Random(f"{self._task_id(index, split)}#{attempt}")
            plan = self._family_of(index).plan(rng, self.world)
            if all(split_of(self.name, key) == split for key in (plan.key, *plan.further_keys)):
                return plan
        raise AssertionError("itertools.count ended")

    def _family_of(self, index: int) -> Family:
        return self._families[index % len(self._families)]

    def _task_id(self, index: int, split: Split) -> str:
        return f"{self.name}/{self._family_of(index).name}/{split}/{index // len(self._families)}"

    def search_engine(self) -> SearchEngine | None:
        """The engine over this world's encyclopaedia; all sources of one world in a process share it."""
        return _encyclopaedia_engine(self.seed)


@lru_cache(maxsize=RECENT_TASKS)
def _drawn(source: FictionalWorld, index: int, split: Split) -> Task:
    return source.draw(index, split)


@lru_cache(maxsize=4)
def _encyclopaedia_engine(seed: int) -> SearchEngine:
    from deepeyes_env.search.local.engine import LocalSearchEngine
    from deepeyes_env.tasks.worlds.encyclopaedia import write_pages

    return LocalSearchEngine(partial(write_pages, seed))


def split_of(world: str, key: str) -> Split:
    """The split that owns `key` in the world called `world`."""
    tenth = int.from_bytes(hashlib.sha256(f"{world}/{key}".encode()).digest()[:8], "big") % 10
    return next(split for split, tenths in SPLIT_TENTHS.items() if tenth in tenths)
