"""The two sets that come out: tasks for reinforcement learning, trajectories for cold start."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agents.convert.rl_parquet import write_tasks
from agents.run_tokenizer import keep_tokenizer
from agents.store import TrajectoryWriter
from agents.trajectory import Trajectory
from agents.vocabulary import Vocabulary
from deepeyes_env.config import EnvConfig
from deepeyes_env.task import TaskSource
from deepeyes_env.tasks.selection import Selection

SELECTION = "tasks.json"
"""The chosen tasks, as `--tasks` and a source of kind `selection` read them."""


def write_rl(directory: Path, selection: Selection, config: EnvConfig, source: TaskSource | None) -> None:
    """Write the tasks for RL.

    Args:
        directory: Gets `tasks.json`, and `train-00000.parquet`, ... if `source` is given.
        selection: The chosen tasks.
        config: Names the prompts of the parquet files.
        source: Gives the tasks for parquet in DeepEyesV2's schema.
    """
    (directory / SELECTION).write_text(selection.to_json(), encoding="utf-8")
    if source is not None:
        write_tasks((source.task(i, selection.split) for i in selection.indexes), directory, config)


def write_sft(directory: Path, trajectories: Iterable[Trajectory], vocabulary: Vocabulary) -> None:
    """Write the trajectories for cold start, as `deepeyes sft --data` reads them, with their tokenizer."""
    with TrajectoryWriter(directory) as writer:
        keep_tokenizer(directory, vocabulary)
        for trajectory in trajectories:
            writer.append(trajectory)
