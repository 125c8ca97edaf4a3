"""What happened in a flipped draw, in short, from the runs' stores; and where it can be seen whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from agents.store import RECORDS, TrajectoryReader
from agents.viewer.command import PAGE
from benchmarks.run_folder import TRAJECTORIES

MOST_CHARACTERS = 700
"""Of a turn or an observation in an excerpt."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A trajectory in short.

    Attributes:
        question: The question.
        reference: The right answer.
        turns: What the policy wrote and saw, alternately, each cut.
        link: Address of the trajectory in the page that `deepeyes view` writes, or None if there is no page.
    """

    question: str
    reference: str
    turns: tuple[str, ...]
    link: str | None


class Episodes:
    """A run's trajectories, if it has kept them; use it as a context manager.

    Args:
        run: The run's folder.
        beside: The folder of the page that will link to them.

    Raises:
        StoreError: There is a store, but it cannot be read.
    """

    def __init__(self, run: Path, beside: Path | None) -> None:
        store = run / TRAJECTORIES
        self._reader = TrajectoryReader(store, pictures=False) if (store / RECORDS).is_file() else None
        page = store / PAGE
        self._page = os.path.relpath(page, beside) if beside is not None and page.is_file() else None

    def __enter__(self) -> Episodes:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.close()

    def excerpt(self, number: int | None) -> Excerpt | None:
        """A trajectory in short, or None where it was not kept.

        Raises:
            StoreError: It is damaged.
        """
        if self._reader is None or number is None or number >= len(self._reader):
            return None
        whole = self._reader[number]
        turns = [text for turn in whole.turns for text in (turn.text, turn.observation) if text.strip()]
        link = f"{self._page}#t={number}&pane=detail" if self._page else None
        return Excerpt(whole.question, whole.reference, tuple(map(_cut, turns)), link)


def _cut(text: str) -> str:
    text = text.strip()
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} … ({len(text)} characters)"
