"""The tasks of a source as cards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deepeyes_env.task import Split, TaskSource
from deepeyes_env.tasks.dataset_error import DatasetError
from trainers.curation.cards import CardMaker


def survey(source: TaskSource, split: Split, indexes: range) -> Iterator[dict[str, Any]]:
    """The cards of the tasks as records; for a row that cannot be used its `index` and the `error`."""
    maker = CardMaker()
    for index in indexes:
        try:
            yield maker.card(source.task(index, split), index).to_record()
        except DatasetError as error:
            yield {"index": index, "error": str(error)}


def within(source: TaskSource, split: Split, indexes: range) -> range:
    """Those of the indexes that the source has."""
    size = source.size(split)
    return indexes if size is None else range(min(indexes.start, size), min(indexes.stop, size))
