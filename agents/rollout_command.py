"""`deepeyes rollout`: runs a policy on tasks and writes its trajectories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from agents.actor import Actor, ActorOptions, require_at_least
from agents.metrics import RolloutMetrics, summarise
from agents.policy import PolicyError
from agents.qwen import ModelError
from agents.rollout import group_requests
from agents.rollout_stats import RolloutStats
from agents.speaker import RolloutRequest
from agents.store import StoreError, TrajectoryWriter
from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig, load_config


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
    except (ModelError, StoreError, PolicyError) as error:
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
    env = DeepEyesAsyncEnv(options.num_envs, load_config(EnvConfig, options.env))
    finished: list[Trajectory] = []
    stats = RolloutStats()
    try:
        with TrajectoryWriter(options.out) as writer, live_progress(stats, options.n * options.samples):
            actor.vocabulary.tokenizer.save_pretrained(options.out / "tokenizer")
            for one in actor.play(env, _requests(options), stats):
                writer.append(one)
                finished.append(one)
    finally:
        env.close()
    for reason in stats.failures:
        print(reason)
    return summarise(finished)


def live_progress(stats: RolloutStats, total: int) -> Progress:
    """A bar with live figures, as a context manager.

    Args:
        stats: What the rollout counts.
        total: Episodes in all.
    """

    class Bar(Progress):
        def get_renderables(self) -> Iterator[Table]:
            for bar in self.task_ids:
                self.update(bar, completed=stats.episodes, figures=_figures(stats))
            yield from super().get_renderables()  # type: ignore[misc]

    bar = Bar(BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[figures]}"), TimeElapsedColumn())
    bar.add_task("", total=total, figures="")
    return bar


def _figures(stats: RolloutStats) -> str:
    parts = [
        f"{stats.episodes_per_second:.1f} episodes/s",
        f"{stats.tokens_per_second:.0f} tokens/s",
        f"tools {1000 * stats.tool_latency:.0f} ms",
        f"queue {stats.generating}+{stats.performing}",
    ]
    if stats.wasted_tokens:
        parts.append(f"{stats.wasted_tokens} tokens wasted")
    return " · ".join(parts)


def _requests(options: RolloutOptions) -> Iterator[RolloutRequest]:
    for index in options.indexes:
        lineage = SeedLineage(options.seed, prompt=index)
        yield from group_requests(index, options.samples, lineage, options.split)


def _table(metrics: RolloutMetrics) -> Table:
    table = Table("figure", "value")
    for name, value in metrics.as_dict().items():
        table.add_row(name.replace("_", " "), f"{value:.3f}" if isinstance(value, float) else str(value))
    return table
