"""The items of an opened suite, by index, as a task source that the ordinary environment can ask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from benchmarks.suites.copies import Copy
from benchmarks.suites.suite import Item, Suite
from deepeyes_env.task import Split, Task

if TYPE_CHECKING:
    from deepeyes_env.search.base import SearchEngine

KEPT_ITEMS = 16
"""Items that are kept with their pictures: whoever asks one scores it soon after."""


class IndexedItems(ABC):
    """Items by index, as a task source: all of them are the split `test`.

    Attributes:
        suite: The suite.
    """

    suite: Suite

    @property
    def name(self) -> str:
        """Name of the suite."""
        return self.suite.card.name

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _made(self, index: int) -> Item:
        """The item at an index that is there."""

    def size(self, split: Split) -> int:
        """Number of items of `test`; nobody trains on a benchmark, so the other splits are empty."""
        return len(self) if split == "test" else 0

    def item(self, index: int) -> Item:
        """The item at `index`, from 0: always the same one.

        Raises:
            IndexError: There is no such item.
            RowError: Its row cannot be used.
            DatasetError: Its row cannot be read.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"item {index} is outside the {len(self)} items of {self.name!r}")
        return self._made(index)

    def task(self, index: int, split: Split = "test") -> Task:
        """The task of the item at `index`; raises as `item`, and `IndexError` for any split but `test`."""
        if split != "test":
            raise IndexError(f"{self.name!r} has no split {split!r} but test")
        return self.item(index).task


class SuiteItems(IndexedItems):
    """A suite with its rows. A row is read when its item is asked for.

    Attributes:
        suite: The suite.
        copy: Its rows.
    """

    def __init__(self, suite: Suite, copy: Copy) -> None:
        """Count the items.

        Args:
            suite: The suite.
            copy: Its rows.

        Raises:
            RowError: A row does not say how many items it holds.
        """
        self.suite = suite
        self.copy = copy
        self._places = _places(suite, copy)
        self._kept = lru_cache(maxsize=KEPT_ITEMS)(self._read)

    def __len__(self) -> int:
        return len(self._places)

    def _made(self, index: int) -> Item:
        return self._kept(index)

    def search_engine(self) -> SearchEngine | None:
        """None: a benchmark brings no corpus; `EnvConfig.search` says what is searched."""
        return None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not as published, for the run's card and the report."""
        size = self.suite.card.size
        if len(self) == size:
            return self.copy.warnings
        return (
            *self.copy.warnings,
            f"{len(self)} items, the public release has {size}: not comparable with figures on all of them",
        )

    def describe(self) -> Mapping[str, Any]:
        """What a run's card says of the suite (`benchmarks.run_folder.RunCard.suites`)."""
        card = self.suite.card
        return {
            "title": card.title,
            "items": len(self),
            "size": card.size,
            "licence": card.licence,
            "metric": card.metric,
            "source": dict(self.copy.source),
            "revision": self.copy.source.get("revision"),
            "warnings": list(self.warnings),
        }

    def _read(self, index: int) -> Item:
        number, part = self._places[index]
        return self.suite.read(self.copy.row(number).at_part(part))


def _places(suite: Suite, copy: Copy) -> list[tuple[int, int]]:
    """Row and part of every item."""
    if suite.parts is None:
        return [(number, 0) for number in range(len(copy))]
    return [(number, part) for number in range(len(copy)) for part in range(suite.parts(copy.row(number)))]
