"""The draws of an evaluation as other harnesses file them: one suite, one mode, one seed at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from agents.store import TrajectoryReader
from agents.trajectory import Trajectory
from benchmarks.result import Result
from benchmarks.run_folder import TRAJECTORIES, Run
from deepeyes_env.errors import ConfigError
from deepeyes_env.outcome import Outcome

_UNFIT = re.compile(r"[^\w.+-]+")
"""What names of files had better not hold: slashes of hub ids, spaces, quotes."""


@dataclass(frozen=True, slots=True)
class Series:
    """All draws of one suite in one mode with one seed.

    Attributes:
        suite: Name of the suite.
        mode: Which tools answered.
        seed: Seed of the run.
        results: The draws, sorted by item and sample.
    """

    suite: str
    mode: str
    seed: int
    results: Sequence[Result]

    @property
    def setting(self) -> str:
        """Mode and seed, for names."""
        return f"{self.mode}-seed{self.seed}"


def all_series(run: Run) -> list[Series]:
    """The draws of an evaluation by suite, mode and seed."""

    def key(one: Result) -> tuple[str, str, int]:
        return one.suite, one.mode, one.seed

    ordered = sorted(run.results, key=lambda one: (*key(one), one.item, one.sample))
    return [Series(*named, tuple(results)) for named, results in groupby(ordered, key)]


def open_trajectories(run: Run, *, pictures: bool = True) -> TrajectoryReader:
    """The conversations of an evaluation.

    Args:
        run: The evaluation.
        pictures: Whether images are read too.

    Raises:
        ConfigError: The folder has none.
    """
    directory = run.path / TRAJECTORIES
    if not directory.is_dir():
        raise ConfigError(f"{directory} is not there: an export needs the run's trajectories")
    return TrajectoryReader(directory, pictures=pictures)


def conversation(reader: TrajectoryReader, result: Result) -> Trajectory | None:
    """The conversation of a draw, or None where none was kept.

    Raises:
        ConfigError: The number is another item's: `results.jsonl` and the trajectories are of different runs.
    """
    if result.trajectory is None:
        return None
    found = reader[result.trajectory]
    if found.task_id != result.item:
        raise ConfigError(
            f"{reader.path}: record {result.trajectory} is of {found.task_id!r}, not of {result.item!r}; "
            "results and trajectories are not of the same run"
        )
    return found


def infrastructure_failed(result: Result) -> bool:
    """Whether there is nothing to score: what failed was not the policy."""
    return result.outcome == Outcome.INFRA_FAILED


def release_id(result: Result) -> str:
    """The item's id in its release: what follows the suite's name."""
    return result.item.removeprefix(f"{result.suite}/")


def file_name(text: str) -> str:
    """A text as (part of) the name of a file; a hub id's slash becomes `__`, as lmms-eval writes it."""
    return _UNFIT.sub("_", text.strip("/").replace("/", "__"))


def facts(result: Result) -> Mapping[str, object]:
    """What the other harness has no field for."""
    kept = result.to_record()
    for known in ("suite", "item", "sample", "answer", "correct", "official", "trajectory"):
        del kept[known]
    return kept
