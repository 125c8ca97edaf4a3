"""The two sets that come out: tasks for reinforcement learning, trajectories for cold start."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agents.convert.rl_parquet import write_tasks
from agents.store import TrajectoryWriter
from agents.trajectory import Trajectory
from agents.vocabulary import Vocabulary
from deepeyes_env.config import EnvConfig
from deepeyes_env.task import Split, TaskSource
from deepeyes_env.tasks.selection import select
from trainers.curation.cards import Card
from trainers.curation.rollouts import TOKENIZER

SELECTION = "tasks.json"
"""The chosen tasks, as `--tasks` and a source of kind `selection` read them."""


def write_rl(
    directory: Path, config: EnvConfig, split: Split, cards: Iterable[Card], source: TaskSource | None
) -> None:
    """Write the tasks for RL.

    Args:
        directory: Gets `tasks.json`, and `train-00000.parquet`, ... if `source` is given.
        config: Names the source, and the prompts of the parquet files.
        split: The part of the source.
        cards: The chosen tasks.
        source: Gives the tasks for parquet in DeepEyesV2's schema.
    """
    chosen = list(cards)
    selection = select(config.source, split, ((card.index, card.id) for card in chosen))
    (directory / SELECTION).write_text(selection.to_json(), encoding="utf-8")
    if source is not None:
        write_tasks((source.task(card.index, split) for card in chosen), directory, config)


def write_sft(directory: Path, trajectories: Iterable[Trajectory], vocabulary: Vocabulary) -> None:
    """Write the trajectories for cold start, as `deepeyes sft --data` reads them, with their tokenizer."""
    with TrajectoryWriter(directory) as writer:
        for trajectory in trajectories:
            writer.append(trajectory)
    vocabulary.tokenizer.save_pretrained(directory / TOKENIZER)
