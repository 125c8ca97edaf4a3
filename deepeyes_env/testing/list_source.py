"""A task source over tasks in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepeyes_env.search.base import SearchEngine
from deepeyes_env.task import Split, Task


@dataclass(frozen=True)
class ListSource:
    """A task source over tasks in memory, the same in every split.

    Attributes:
        tasks: The tasks.
        engine: The search engine, or None.
        name: Name of the source.
    """

    tasks: Sequence[Task]
    engine: SearchEngine | None = None
    name: str = "list"

    def size(self, split: Split) -> int:
        """Number of tasks."""
        return len(self.tasks)

    def task(self, index: int, split: Split = "train") -> Task:
        """The task at `index`."""
        return self.tasks[index]

    def search_engine(self) -> SearchEngine | None:
        """The engine given."""
        return self.engine
