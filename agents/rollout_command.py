"""`deepeyes rollout`: runs a policy on tasks and writes its trajectories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from agents.actor import Actor, ActorOptions, require_at_least
from agents.metrics import RolloutMetrics, summarise
from agents.qwen import ModelError
from agents.rollout import RolloutRequest, group_requests
from agents.store import StoreError, TrajectoryWriter
from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.vector import DeepEyesVectorEnv


@dataclass(frozen=True, kw_only=True)
class RolloutOptions(ActorOptions):
    """Run a policy on tasks and write its trajectories.

    Attributes:
        out: Directory that the trajectories are appended to; `deepeyes view` shows it.
        samples: Rollouts per task.
    """

    out: Path
    samples: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, {"samples": 1})


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        ConfigError: An option or the environment's file cannot be used.
        SystemExit: The model or the output directory cannot be used; the message says why.
    """
    options = tyro.cli(RolloutOptions, args=list(argv), prog="deepeyes rollout")
    try:
        metrics = run(options)
    except (ModelError, StoreError) as error:
        raise SystemExit(f"deepeyes rollout: {error}") from error
    Console().print(_table(metrics))


def run(options: RolloutOptions) -> RolloutMetrics:
    """Write the trajectories that `options` ask for.

    Args:
        options: What to run.

    Returns:
        What they did.

    Raises:
        ConfigError: The environment's file cannot be used.
        ModelError: The policy is no Qwen2.5-VL.
        StoreError: Another process writes to `options.out`.
    """
    actor = Actor(options)
    env = DeepEyesVectorEnv(options.num_envs, load_config(EnvConfig, options.env))
    finished: list[Trajectory] = []
    try:
        with TrajectoryWriter(options.out) as writer:
            actor.qwen.tokenizer.save_pretrained(options.out / "tokenizer")
            total = options.n * options.samples
            for one in track(actor.play(env, _requests(options)), "rolling out", total=total):
                writer.append(one)
                finished.append(one)
    finally:
        env.close()
    return summarise(finished)


def _requests(options: RolloutOptions) -> Iterator[RolloutRequest]:
    for index in options.indexes:
        lineage = SeedLineage(options.seed, prompt=index)
        yield from group_requests(index, options.samples, lineage, options.split)


def _table(metrics: RolloutMetrics) -> Table:
    table = Table("figure", "value")
    for name, value in metrics.as_dict().items():
        table.add_row(name.replace("_", " "), f"{value:.3f}" if isinstance(value, float) else str(value))
    return table
