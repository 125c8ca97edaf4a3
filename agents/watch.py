"""A policy plays one task of a source, and somebody watches."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console
from rich.text import Text

from agents.actor import Actor, ActorOptions
from agents.live import explained, play_live, terminal
from agents.speaker import RolloutRequest
from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.errors import ConfigError
from deepeyes_env.exchange import printable
from deepeyes_env.host import ENDLESS
from deepeyes_env.outcome import Outcome
from deepeyes_env.play import played_config
from deepeyes_env.task import Split, TaskSource


@dataclass(frozen=True, kw_only=True)
class WatchOptions(ActorOptions):
    """Watch a policy play an episode of DeepEyes-v0, step by step.

    Attributes:
        index: The task; default: a random one.
        seed: Seeds the draw of the task, the session and the sampling; default: a new one each time.
        images: Folder for the pictures; default: a new temporary one.
        family: Draw from this task family of the configured world only.
        save: Directory of a run that the trajectory is appended to; `deepeyes view` shows it.
    """

    index: int | None = None
    images: Path | None = None
    family: Annotated[str | None, tyro.conf.arg(aliases=["-f"])] = None
    save: Path | None = None
    env: Annotated[Path | None, tyro.conf.arg(aliases=["--config"])] = None
    split: Split = "train"
    # The help shows what the default means, not the number that it drew.
    seed: Annotated[int, tyro.conf.arg(help_behavior_hint="(optional)")] = field(
        default_factory=lambda: secrets.randbelow(2**31)
    )
    tasks: tyro.conf.Suppress[tuple[str, ...]] = ()
    first: tyro.conf.Suppress[int] = 0
    n: tyro.conf.Suppress[int] = 1
    num_envs: tyro.conf.Suppress[int] = 1


def watch_command(argv: Sequence[str]) -> int:
    """Run `deepeyes play --policy ...`.

    Args:
        argv: Its arguments.

    Returns:
        0, however the episode ends.

    Raises:
        ConfigError: An option, a file or the model cannot be used.
    """
    options = tyro.cli(WatchOptions, args=list(argv), prog="deepeyes play")
    console = terminal()
    with explained():
        trajectory = watch(options, console)
    score = "" if trajectory.outcome is Outcome.INFRA_FAILED else f"   reward {trajectory.reward.total:g}"
    reference = printable(trajectory.reference)
    console.print(Text(f"{trajectory.outcome}   reference: {reference}{score}", "bold"), soft_wrap=True)
    return 0


def watch(options: WatchOptions, console: Console) -> Trajectory:
    """Have a task played, and show each step as it happens.

    Args:
        options: Who plays what.
        console: Where the episode is shown.

    Returns:
        The finished episode.

    Raises:
        ConfigError: An option or a file cannot be used.
        ContextFull: The prompt alone is longer than `options.max_tokens`.
        ModelError: The policy is no Qwen2.5-VL.
        StoreError: Another process writes to `options.save`.
    """
    env = DeepEyesAsyncEnv(1, played_config(options.env, options.family))
    try:
        index = _draw(env.tasks, options) if options.index is None else options.index
        request = RolloutRequest(index, options.split, SeedLineage(options.seed))
        with closing(Actor(options)) as actor:
            return play_live(actor, env, request, console, options.images, options.save)
    finally:
        env.close()


def _draw(tasks: TaskSource, options: WatchOptions) -> int:
    size = tasks.size(options.split)
    if size == 0:
        raise ConfigError(f"split = {options.split!r}: the source {tasks.name!r} has no task in it")
    return int(np.random.default_rng(options.seed).integers(ENDLESS if size is None else size))
