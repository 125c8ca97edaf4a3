"""Generated tasks as a source: `(world, split, index)` names a task, and its twin, forever."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, TypeVar

from deepeyes_env.errors import ConfigError, nearest
from deepeyes_env.rewards.number import close_enough, parse_quantity
from deepeyes_env.task import SPLITS, Answer, Split, Task
from deepeyes_env.tasks.worlds import family, knobs
from deepeyes_env.tasks.worlds.family import Family, Plan
from deepeyes_env.tasks.worlds.knobs import DEFAULT_DIFFICULTY, Knobs
from deepeyes_env.tasks.worlds.splits import split_by_hash

if TYPE_CHECKING:
    from deepeyes_env.search.base import SearchEngine

PLAN_DRAWS, TWIN_DRAWS = 10_000, 1_000
"""Draws after which a family has to be mended: one in five to one in a hundred falls into the right split."""

RECENT_TASKS = 64
"""Tasks kept after they were drawn: the samples of a group ask for the same one again and again."""

W = TypeVar("W")
"""The facts of a world."""


class GeneratedSource(Generic[W]):
    """Tasks of all chosen families in turn: task `index` belongs to family `index % len(families)`.

    With `twins`, every task is followed by its counterfactual twin: index 2n + 1 is the twin of index 2n, and
    the pair belongs to family `n % len(families)`.
    """

    def __init__(
        self,
        name: str,
        world: Callable[[], W],
        engine: Callable[[], SearchEngine],
        families: tuple[str, ...],
        *,
        dealt: Callable[[W], Mapping[str, Split]] = lambda world: {},
        difficulty: float = DEFAULT_DIFFICULTY,
        chosen: Mapping[str, Knobs] | None = None,
        twins: bool = False,
    ) -> None:
        """Choose a world and its families.

        Args:
            name: Name of the source; two worlds with other facts have other names.
            world: Gives the facts when they are first needed.
            engine: Gives the engine over the world's pages.
            families: Family names, at least one.
            dealt: Gives the splits of keys that were dealt out; all others are split by their hash.
            difficulty: Where every knob stands, from 0 (easy) to 1 (hard).
            chosen: Family -> knob -> setting, for knobs that are to stand elsewhere.
            twins: Whether every task is followed by its twin.

        Raises:
            ConfigError: A family or a knob is unknown, or a setting is out of range.
        """
        if not 0 <= difficulty <= 1:
            raise ConfigError(f"difficulty = {difficulty!r}: must be from 0 (easy) to 1 (hard)")
        for other in (chosen or {}).keys() - set(families):
            raise ConfigError(f"knobs.{other}: not one of the chosen families; {nearest(other, families)}")
        self._name, self._twins = name, twins
        self._world, self._engine, self._dealt = world, engine, dealt
        self._families: tuple[Family[W], ...] = tuple(family(each) for each in families)
        self._knobs = {
            each.name: knobs.settings(each.knobs, difficulty, (chosen or {}).get(each.name, {}), each.name)
            for each in self._families
        }

    @property
    def name(self) -> str:
        """Name of the source in task ids."""
        return self._name

    @property
    def families(self) -> tuple[Family[W], ...]:
        """The chosen families, in turn."""
        return self._families

    @property
    def world(self) -> W:
        """The facts."""
        return self._world()

    def size(self, split: Split) -> int | None:
        """None: a world never runs out of tasks."""
        return None

    def task(self, index: int, split: Split = "train") -> Task:
        """The task at `index` of `split`.

        Raises:
            IndexError: `index` is negative.
            ValueError: There is no such split.
        """
        return _drawn(self, index, split)

    def draw(self, index: int, split: Split) -> Task:
        """The task at `index` of `split`, drawn anew; raises as `task`."""
        number, is_twin = divmod(index, 2) if self._twins else (index, 0)
        return self._paint(number, split, twin=bool(is_twin))

    def twin(self, index: int, split: Split) -> Task:
        """The counterfactual twin of the task at `index` of `split`, counted without twins; raises as `task`.

        Returns:
            A task with the same question, another answer, and pictures that differ in one fact.
        """
        return self._paint(index, split, twin=True)

    def plan(self, index: int, split: Split) -> Plan:
        """The task at `index` of `split`, counted without twins, before it is drawn; raises as `task`."""
        if index < 0:
            raise IndexError(f"task index {index} is negative")
        if split not in SPLITS:
            raise ValueError(f"unknown split {split!r}; expected one of {', '.join(SPLITS)}")
        chosen = self._family_of(index)
        settings = self._knobs[chosen.name]
        name = self._task_id(index, split)
        for rng in itertools.islice(_generators(name), PLAN_DRAWS):
            plan = chosen.plan(rng, self.world, settings)
            if self._belongs(plan, split):
                return plan
        raise RuntimeError(f"{name} has no plan: {PLAN_DRAWS} draws fell into another split")

    def twin_plan(self, index: int, split: Split) -> Plan:
        """The twin of the task at `index` of `split` before it is drawn; raises as `task`."""
        original, name = self.plan(index, split), self._task_id(index, split)
        for rng in itertools.islice(_generators(f"{name}/twin"), TWIN_DRAWS):
            plan = original.twin(rng)
            if _apart(plan.answer, original.answer) and self._belongs(plan, split):
                return plan
        raise RuntimeError(f"{name} has no twin: {TWIN_DRAWS} draws gave the same answer or another split")

    def index_of(self, task_id: str) -> tuple[int, Split]:
        """The index and the split of a task by its id.

        Raises:
            ValueError: It is no task of this source.
        """
        names = [each.name for each in self._families]
        match task_id.removeprefix(f"{self.name}/").split("/"):
            case [name, ("train" | "validation" | "test") as split, number, *rest] if (
                task_id.startswith(f"{self.name}/")
                and name in names
                and number.isdecimal()
                and rest in ([], ["twin"] if self._twins else [])
            ):
                index = int(number) * len(names) + names.index(name)
                return 2 * index + len(rest) if self._twins else index, split
        raise ValueError(
            f"{task_id!r} is no task of {self.name!r} with the families {', '.join(names)}"
            + ("" if self._twins else " and without twins")
        )

    def search_engine(self) -> SearchEngine | None:
        """The engine over this world's pages; all sources of one world in a process share it."""
        return self._engine()

    def split_of(self, key: str) -> Split:
        """The split that owns a plan key."""
        return self._dealt(self.world).get(key) or split_by_hash(self.name, key)

    def _belongs(self, plan: Plan, split: Split) -> bool:
        return all(self.split_of(key) == split for key in (plan.key, *plan.further_keys))

    def _paint(self, index: int, split: Split, *, twin: bool) -> Task:
        plan = self.twin_plan(index, split) if twin else self.plan(index, split)
        chosen, name = self._family_of(index), self._task_id(index, split)
        return Task(
            id=f"{name}/twin" if twin else name,
            question=plan.question,
            images=plan.draw(random.Random(f"{name}/draw")),
            answer=plan.answer,
            skills=chosen.skills,
            family=chosen.name,
            metadata=plan.metadata,
        )

    def _family_of(self, index: int) -> Family[W]:
        return self._families[index % len(self._families)]

    def _task_id(self, index: int, split: Split) -> str:
        return f"{self.name}/{self._family_of(index).name}/{split}/{index // len(self._families)}"


def _generators(name: str) -> Iterator[random.Random]:
    # `random.Random(str)` seeds by SHA-512: the same stream in every process and on every platform.
    return (random.Random(f"{name}#{attempt}") for attempt in itertools.count())


@lru_cache(maxsize=RECENT_TASKS)
def _drawn(source: GeneratedSource[W], index: int, split: Split) -> Task:
    return source.draw(index, split)


def _apart(first: Answer, second: Answer) -> bool:
    """Whether neither answer would pass as the other one."""
    if first.text == second.text:
        return False
    a, b = parse_quantity(first.text), parse_quantity(second.text)
    if a is None or b is None:
        return True
    passes = close_enough(a.value, b.value, second.tolerance)
    return not passes and not close_enough(b.value, a.value, first.tolerance)
