"""Episodes that other runs have asked: what is asked again with all the same around it is taken over.

An episode is stored under a hash of all that decides it (`plan.key_of`), in the run that asked it. So every
run's folder is a cache by content, and a folder of runs is one for all of them; nothing is stored twice but
what a run takes over, which it then holds whole. What no key can hold are the versions of the packages that
took part: runs with others are not used, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from agents.store import StoreError, TrajectoryReader
from agents.trajectory import Trajectory
from benchmarks.protocol.folder import known_episodes
from benchmarks.run_folder import CARD, TRAJECTORIES, read_card
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks.dataset_error import DatasetError

FROM = "taken_over_from"
"""Under which name a trajectory's `versions` hold the run that has asked it."""


class Cache:
    """The episodes of other runs by key.

    Attributes:
        taken: How many were taken over.
    """

    def __init__(self) -> None:
        """Know of no run."""
        self.taken = 0
        self._where: dict[str, tuple[TrajectoryReader, int, str]] = {}

    def __len__(self) -> int:
        return len(self._where)

    def add(self, run: str, reader: TrajectoryReader) -> None:
        """Know of a run's episodes; of two with the same key the first stays."""
        for key, number in known_episodes(reader).items():
            self._where.setdefault(key, (reader, number, run))

    def take(self, key: str) -> Trajectory | None:
        """The episode of a key, with its pictures, or None.

        Raises:
            StoreError: Its run has been damaged meanwhile.
        """
        found = self._where.get(key)
        if found is None:
            return None
        reader, number, run = found
        episode = reader[number]
        self.taken += 1
        return replace(episode, versions={**episode.versions, FROM: run})


@contextmanager
def open_cache(
    directory: Path | None, own: Path, versions: Mapping[str, str], say: Callable[[str], None]
) -> Iterator[Cache]:
    """The runs in a folder, for the block.

    Args:
        directory: Holds runs, or None for no cache.
        own: The run that will take episodes over; it is no cache of its own.
        versions: Of everything that takes part now.
        say: Told of runs that cannot be used.

    Raises:
        ConfigError: There is no such folder.
    """
    with ExitStack() as stack:
        cache = Cache()
        for run in () if directory is None else _runs(directory, own):
            try:
                if differing := _differing(read_card(run).versions, versions):
                    say(f"{run} is not used as a cache: other versions of {differing}")
                    continue
                cache.add(run.name, stack.enter_context(TrajectoryReader(run / TRAJECTORIES)))
            except (DatasetError, StoreError) as error:
                say(f"{run} is not used as a cache: {error}")
        yield cache


def _runs(directory: Path, own: Path) -> list[Path]:
    if not directory.is_dir():
        raise ConfigError(f"cache = {str(directory)!r}: no folder; give the one that holds runs: runs/eval")
    found = [path.parent for path in (*directory.glob(CARD), *directory.glob(f"*/{CARD}"))]
    return sorted(run for run in found if run.resolve() != own.resolve())


def _differing(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    names = sorted(theirs.keys() | ours.keys())
    return ", ".join(name for name in names if theirs.get(name) != ours.get(name))
