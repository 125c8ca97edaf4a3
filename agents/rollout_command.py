"""`deepeyes rollout`: runs a policy on tasks and writes its trajectories."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from agents.actor import Actor, ActorOptions, no_room, require_at_least
from agents.metrics import RolloutMetrics, summarise
from agents.policy import PolicyError
from agents.qwen import ModelError
from agents.rollout import group_requests
from agents.rollout_stats import RolloutStats
from agents.run_tokenizer import keep_tokenizer
from agents.speaker import RolloutRequest
from agents.store import StoreError, TrajectoryReader, TrajectoryWriter, finished, full_disk_told, seal
from agents.trajectory import SeedLineage, Trajectory
from agents.transcript import ContextFull
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import load_config
from deepeyes_env.errors import ConfigError
from deepeyes_env.remote.error import RemoteError

GO_ON = "run the same command with --resume"
"""What there is to be done after a run that ended early."""


@dataclass(frozen=True, kw_only=True)
class RolloutOptions(ActorOptions):
    """Run a policy on tasks and write its trajectories.

    Attributes:
        out: Directory that the trajectories are appended to; `deepeyes view` shows it and
            `datasets.load_dataset` loads it.
        samples: Rollouts per task.
        resume: Leave out what the directory holds already; draws whose infrastructure failed are repeated.
        ray: Address of a Ray cluster whose nodes run the episodes: `auto` (the one of this machine),
            `HOST:PORT`, or `local` for one of this process; default: this process runs them.
        ray_settings: TOML file of its other settings (`RayConfig`): slots, actors, nodes to be preferred.
    """

    out: Path
    samples: int = 1
    resume: bool = False
    ray: str | None = None
    ray_settings: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, {"samples": 1})
        if self.ray_settings is not None and self.ray is None:
            raise ConfigError(
                f"ray_settings = {str(self.ray_settings)!r}: settings of a cluster; add --ray auto"
            )


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        ConfigError: An option or the environment's file cannot be used.
        SystemExit: The model or the output directory cannot be used, or the infrastructure failed in every
            episode; the message says why.
    """
    options = tyro.cli(RolloutOptions, args=list(argv), prog="deepeyes rollout")
    try:
        metrics = run(options)
    except (ModelError, StoreError, PolicyError, RemoteError) as error:
        raise SystemExit(f"deepeyes rollout: {error}") from error
    except ContextFull as error:
        raise SystemExit(f"deepeyes rollout: {no_room(error)}") from error
    if not metrics.episodes:
        print(f"nothing to do: {options.out} holds all of these episodes")
        return
    Console().print(_table(metrics))
    if not metrics.scored:
        raise SystemExit(
            "deepeyes rollout: the infrastructure failed in every episode, for the reasons above; mend it, "
            f"then {GO_ON}"
        )


def run(options: RolloutOptions) -> RolloutMetrics:
    """Write the trajectories that `options` ask for.

    Args:
        options: What to run.

    Returns:
        What they did.

    Raises:
        ConfigError: The environment's file cannot be used, or that of the cluster; or there are fewer tasks
            than asked for.
        ModelError: The policy is no Qwen2.5-VL.
        RemoteError: The cluster cannot be used.
        StoreError: Another process writes to `options.out`, or the disk is full.
    """
    with closing(_open_env(options)) as env:
        options.require_tasks(env.tasks)
        task_id = cache(lambda index: env.tasks.task(index, options.split).id)
        _look_early(options, task_id)
        with closing(Actor(options)) as actor, full_disk_told(options.out, GO_ON):
            metrics = _roll_out(options, env, actor, task_id)
    with full_disk_told(options.out, GO_ON):
        _seal(options.out)
    return metrics


def _roll_out(
    options: RolloutOptions, env: DeepEyesAsyncEnv, actor: Actor, task_id: Callable[[int], str]
) -> RolloutMetrics:
    stats = RolloutStats()
    with TrajectoryWriter(options.out) as writer:
        requests = _missing(options, task_id)
        _require_same_policy(options.out, actor.versions)
        keep_tokenizer(options.out, actor.vocabulary)
        with live_progress(stats, len(requests)), closing(actor.play(env, requests, stats)) as played:
            metrics = summarise(_written(played, writer))
    for line in (*stats.failures, *actor.bill()):
        print(line)
    return metrics


def _open_env(options: RolloutOptions) -> DeepEyesAsyncEnv:
    config = options.env_config
    if options.ray is None:
        return DeepEyesAsyncEnv(options.num_envs, config)
    from deepeyes_env.adapters.ray import RayAsyncEnv, RayConfig

    cluster = load_config(RayConfig, options.ray_settings, address=options.ray)
    return RayAsyncEnv(options.num_envs, config, cluster=cluster)


def _written(trajectories: Iterable[Trajectory], writer: TrajectoryWriter) -> Iterator[Trajectory]:
    for one in trajectories:
        writer.append(one)
        yield one


def _missing(options: RolloutOptions, task_id: Callable[[int], str]) -> list[RolloutRequest]:
    """What is to be run.

    A lineage does not name its split or source, so a draw counts as done only with the task that it is of.

    Args:
        options: What is asked for.
        task_id: Gives the id of the task of an index; tasks may be dear to make.

    Raises:
        StoreError: The run holds some of it and is not to be resumed.
    """
    wanted = list(_requests(options))
    done = finished(options.out)
    missing = [
        one for one in wanted if one.lineage not in done or task_id(one.index) not in done[one.lineage]
    ]
    if len(missing) < len(wanted) and not options.resume:
        raise StoreError(
            f"{options.out} holds {len(wanted) - len(missing)} of these {len(wanted)} episodes already; add "
            "--resume to run the others, or choose another --out, --first or --seed"
        )
    return missing


def _look_early(options: RolloutOptions, task_id: Callable[[int], str]) -> None:
    """Refuse what is done already before a model is loaded for nothing."""
    try:
        _missing(options, task_id)
    except StoreError:
        # A run that goes on may hold what a power failure has damaged: its writer removes that.
        if not options.resume:
            raise


def _require_same_policy(run: Path, versions: Mapping[str, str]) -> None:
    """A run is of one policy: whoever resumes it must not mix in another.

    Raises:
        StoreError: The run's first trajectory comes from another policy.
    """
    with TrajectoryReader(run) as reader:
        if len(reader) and dict(reader[0].versions) != dict(versions):
            raise StoreError(
                f"{run} was written by {dict(reader[0].versions)}, but this is {dict(versions)}; choose "
                "another --out"
            )


def _seal(run: Path) -> None:
    """Write the parquet files, where the package for it is there."""
    if importlib.util.find_spec("pyarrow"):
        seal(run)
    else:
        print(f"{run} has no parquet files for `datasets`: pip install 'deepeyes-gym[data]'")


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
