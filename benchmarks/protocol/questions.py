"""The items of a suite as the environment's task source: each request has a number, which names a draw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agents.speaker import RolloutRequest
from agents.trajectory import SeedLineage
from benchmarks.protocol.plan import Draw, Items
from deepeyes_env.search.base import SearchEngine
from deepeyes_env.task import Split, Task


class Questions:
    """A task source that knows what is being asked just now, and no more."""

    def __init__(self, items: Items) -> None:
        """Ask of a suite; nothing is read yet."""
        self._items = items
        self._tasks: dict[int, Task] = {}
        self._asked: dict[SeedLineage, tuple[int, Draw, str]] = {}

    def requests(self, missing: Iterable[tuple[Draw, str]]) -> Iterator[RolloutRequest]:
        """A request for each draw, taken as episodes end.

        Args:
            missing: Draws with their keys.
        """
        for number, (draw, key) in enumerate(missing):
            self._tasks[number] = draw.shown.item.task
            self._asked[draw.lineage] = number, draw, key
            yield RolloutRequest(number, "test", draw.lineage)

    def answered(self, lineage: SeedLineage) -> tuple[Draw, str]:
        """The draw that an episode answers, with its key; its pictures are let go.

        Episodes come in the order of the requests, but before an error those that have ended come without
        the others.

        Args:
            lineage: The episode's.
        """
        number, draw, key = self._asked.pop(lineage)
        del self._tasks[number]
        return draw, key

    @property
    def name(self) -> str:
        """Name of the suite."""
        return self._items.suite.card.name

    def size(self, split: Split) -> int | None:
        """None: requests come as long as there are draws."""
        return None

    def task(self, index: int, split: Split = "test") -> Task:
        """The task of request `index`, which is not answered yet."""
        return self._tasks[index]

    def search_engine(self) -> SearchEngine | None:
        """The engine over the suite's own pages."""
        return self._items.search_engine()
