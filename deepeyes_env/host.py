"""Where the episodes of an environment run: in this process, or elsewhere. The shells see no difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from deepeyes_env.config import ConfigError, EnvConfig, with_overrides
from deepeyes_env.episode import Episode, Observation
from deepeyes_env.errors import TaskIndexError, nearest
from deepeyes_env.rewards.base import Reward
from deepeyes_env.rewards.judge import HttpJudge
from deepeyes_env.runner import EpisodeRunner, Services, StepResult
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.search import SearchEngine, open_search
from deepeyes_env.task import SPLITS, Split, Task, TaskSource
from deepeyes_env.tasks import open_source
from deepeyes_env.telemetry import Telemetry

ENDLESS = 2**31
"""Range of the indices that `reset` draws from an endless source."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which episode is to be run.

    Attributes:
        index: The task.
        split: The part of the source.
        seed: Seeds the draws of the episode itself, below 2^63.
    """

    index: int
    split: Split
    seed: int

    def draw(self, tasks: TaskSource) -> tuple[Task, np.random.Generator]:
        """The task, and the generator for the rest of the episode's draws."""
        return tasks.task(self.index, self.split), np.random.default_rng(self.seed)


class Runner(Protocol):
    """Runs one episode at a time; one caller at a time."""

    telemetry: Telemetry
    episode: Episode | None
    """The episode, or None before the first and where it runs elsewhere."""
    reward: Reward | None

    @property
    def task(self) -> Task | None:
        """The episode's task, or None before the first and where it is not told."""
        ...

    @property
    def running(self) -> bool:
        """Whether an episode goes on."""
        ...

    def begin(self, place: Place) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; an unfinished one is dropped."""
        ...

    def step(self, text: str) -> StepResult:
        """Take the policy's turn; failures of the infrastructure come back as an outcome."""
        ...

    def abandon(self) -> StepResult:
        """End the episode as truncated."""
        ...

    def close(self) -> None:
        """Free what the episode holds. Idempotent."""
        ...


class Host(Protocol):
    """Makes runners.

    Attributes:
        config: The rules.
        tasks: Where tasks come from.
        engine: What the search tools ask, or None.
    """

    config: EnvConfig
    tasks: TaskSource
    engine: SearchEngine | None

    def runner(self) -> Runner:
        """Make an idle runner."""
        ...

    def close(self) -> None:
        """Let go of what runners share. Idempotent; a runner begins anew with what it needs."""
        ...


class LocalHost:
    """Episodes in this process."""

    def __init__(self, config: EnvConfig, tasks: TaskSource | None, sandbox: Sandbox | None) -> None:
        """Open what episodes share; `tasks` and `sandbox` are used in place of what `config` names."""
        self.config = config
        self.tasks = tasks if tasks is not None else open_source(config.source)
        self._services = make_services(config, self.tasks, sandbox)
        self.engine: SearchEngine | None = self._services.engine

    def runner(self) -> Runner:
        """Make an idle runner."""
        return LocalRunner(self.config, self._services, self.tasks)

    def close(self) -> None:
        """Nothing: a sandbox is shared by all environments of the process."""


class LocalRunner(EpisodeRunner):
    """A runner that knows its tasks."""

    def __init__(self, config: EnvConfig, services: Services, tasks: TaskSource) -> None:
        """Make an idle runner."""
        super().__init__(config, services)
        self._tasks = tasks

    def begin(self, place: Place) -> tuple[Observation, dict[str, Any]]:
        """Begin the episode at `place`."""
        return self.start(*place.draw(self._tasks))


def open_host(
    config: EnvConfig | None,
    overrides: Mapping[str, Any],
    tasks: TaskSource | None,
    sandbox: Sandbox | None,
    remote: str | Host | None,
) -> Host:
    """Where an environment's episodes run.

    Args:
        config: Settings, or None for the defaults.
        overrides: Fields of `EnvConfig` that replace those of `config`.
        tasks: A task source to use in place of the configured one.
        sandbox: A sandbox to use in place of the configured one.
        remote: Address of a server, or an opened host, either of which has its own settings, tasks and
            sandbox; None for this process.

    Raises:
        ConfigError: A bad setting, or settings for another place than this process.
        RemoteError: The server cannot be used.
    """
    if remote is None:
        return LocalHost(env_config(config, overrides), tasks, sandbox)
    given = {"config": config, "tasks": tasks, "sandbox": sandbox} | dict(overrides)
    if wrong := [name for name, value in given.items() if value is not None]:
        raise ConfigError(f"{', '.join(wrong)}: with `remote` the server decides; set it where it is started")
    if not isinstance(remote, str):
        return remote
    from deepeyes_env.remote.host import RemoteHost

    return RemoteHost(remote)


def env_config(config: EnvConfig | None, overrides: Mapping[str, Any]) -> EnvConfig:
    """The settings of an environment.

    Raises:
        ConfigError: `config` is something else, or an override has an unknown key or a bad value.
    """
    if not isinstance(config, EnvConfig | None):
        raise ConfigError(
            f"config = {config!r}: must be an EnvConfig; load_config(EnvConfig, ...) makes one of a TOML file"
        )
    return with_overrides(config or EnvConfig(), **overrides)


def make_services(config: EnvConfig, tasks: TaskSource, sandbox: Sandbox | None) -> Services:
    """What the episodes of an environment share."""
    judge = HttpJudge(config.judge) if config.judge else None
    engine = tasks.search_engine()
    if config.search is not None:
        engine = open_search(config.search, engine)
    return Services(sandbox=lambda: sandbox or _shared_sandbox(config), engine=engine, judge=judge)


def draw_place(
    tasks: TaskSource, split: Split, options: Mapping[str, Any], rng: np.random.Generator
) -> Place:
    """The episode that the options name, else one drawn by `rng`.

    Args:
        tasks: The source.
        split: The part to draw from unless the options name one.
        options: `index` and `split`.
        rng: The episode's generator.

    Returns:
        The place; its seed does not depend on the options.

    Raises:
        ConfigError: An unknown option or split, an index that is no whole number, or an empty split.
        TaskIndexError: The split has no task of this index.
    """
    for key in options:
        if key not in ("index", "split"):
            raise ConfigError(f"unknown reset option {key!r}: {nearest(str(key), ['index', 'split'])}")
    chosen: Split = options.get("split", split)
    if chosen not in SPLITS:
        raise ConfigError(f"split = {chosen!r}: {nearest(str(chosen), SPLITS)}")
    seed = int(rng.integers(2**63))
    size = tasks.size(chosen)
    if size == 0:
        raise ConfigError(f"split = {chosen!r}: the source {tasks.name!r} has no task in it")
    index = options.get("index")
    if index is None:
        index = int(rng.integers(ENDLESS if size is None else size))
    return Place(_checked_index(index, size, chosen), chosen, seed)


def draw_task(
    tasks: TaskSource, split: Split, options: Mapping[str, Any], rng: np.random.Generator
) -> tuple[Task, np.random.Generator]:
    """The task of `draw_place`, and a generator for the rest of the episode's draws; raises as it does."""
    return draw_place(tasks, split, options, rng).draw(tasks)


def _checked_index(index: object, size: int | None, split: str) -> int:
    if isinstance(index, bool) or not isinstance(index, int | np.integer):
        raise ConfigError(f"index = {index!r}: must be a whole number")
    if index < 0 or (size is not None and index >= size):
        count = "endless" if size is None else size
        raise TaskIndexError(f"index = {index}: split {split!r} has {count} tasks, counted from 0")
    return int(index)


def _shared_sandbox(config: EnvConfig) -> Sandbox:
    from deepeyes_env.sandbox import shared_sandbox

    return shared_sandbox(config.sandbox_backend, config.limits)
