"""Runs on the disk for the tests of the viewer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sample_trajectories import picture, trajectory

from agents.store import TrajectoryWriter
from agents.trajectory import SeedLineage, Trajectory

MANY = 5_000


def write(directory: Path, trajectories: Iterable[Trajectory]) -> None:
    """Append to a run."""
    with TrajectoryWriter(directory) as writer:
        for one in trajectories:
            writer.append(one)


def storable(*actions: str, **options: Any) -> Trajectory:
    """A trajectory whose pictures have the sizes that its tokens say."""
    seen = [picture("#6d3b27", f"tool {number}") for number in range(len(actions) - 1)]
    return trajectory(*actions, images=(picture("#27496d", "question"), *seen), **options)


def many() -> Iterator[Trajectory]:
    """5,000 short trajectories: 1,250 tasks of 4 samples, 50 pictures, every fourth sample wrong."""
    pictures = [picture("#27496d", f"picture {number}") for number in range(50)]
    right = storable("answer")
    wrong = storable("answer", accuracy=0.0, answer="7")
    for number in range(MANY):
        task, sample = divmod(number, 4)
        like = wrong if sample == 3 else right
        yield replace(
            like,
            task_id=f"many/{task}",
            family=f"family-{task % 40:02}",
            question=f"Which number is on sign {task}?",
            images=(pictures[task % 50],),
            lineage=SeedLineage(1, task // 125, task, sample),
        )
