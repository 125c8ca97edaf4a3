"""Runners whose episodes run on the nodes of a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from deepeyes_env.adapters.ray.config import RayConfig
from deepeyes_env.adapters.ray.error import ClusterError, reason
from deepeyes_env.config import EnvConfig
from deepeyes_env.episode import Episode, Observation
from deepeyes_env.errors import ConfigError
from deepeyes_env.host import Place, Runner
from deepeyes_env.protocol import parse_turn
from deepeyes_env.rewards.base import NO_REWARD, Reward
from deepeyes_env.runner import ACTION_NAMES, StepResult, infra_failed
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.search.base import SearchEngine
from deepeyes_env.task import Task, TaskSource
from deepeyes_env.tasks import open_source
from deepeyes_env.telemetry import Telemetry

try:
    import ray
    from ray.exceptions import ActorUnavailableError, RayActorError, RayError
except ImportError as error:
    raise ConfigError("episodes on a Ray cluster need Ray: pip install 'deepeyes-gym[ray]'") from error

from deepeyes_env.adapters.ray.actor import Begun, EpisodeActor, Performed
from deepeyes_env.adapters.ray.pictures import Gallery
from deepeyes_env.adapters.ray.pool import Pool, Worker, is_raised

BEGIN_ATTEMPTS = 3
"""New actors that may be lost under the beginning of one episode before the cause is told."""

CLOSE_SECONDS = 5.0
"""Wall time for an actor to forget an episode."""


class RayHost:
    """Episodes in actors, which are started as they are needed.

    Attributes:
        gallery: The images that came from the nodes.
        pool: The actors.
        capacity: Most episodes at once.
    """

    def __init__(
        self,
        config: EnvConfig,
        cluster: RayConfig,
        episodes: int,
        tasks: TaskSource | None = None,
        sandbox: Sandbox | None = None,
    ) -> None:
        """Connect to the cluster; no actor is started yet.

        Args:
            config: The settings; the files that they name must be on every node.
            cluster: The cluster and its use.
            episodes: Episodes that are to run at once.
            tasks: A task source to use in place of the configured one; it is sent to the nodes.
            sandbox: A sandbox to use in place of the configured one; it is sent to the nodes.

        Raises:
            ClusterError: There is no cluster at the address.
        """
        connect(cluster.address)
        self.config = config
        self.tasks: TaskSource = tasks if tasks is not None else open_source(config.source)
        self.engine: SearchEngine | None = None
        self.gallery = Gallery()
        needed = -(-episodes // cluster.slots)
        most = cluster.max_actors or max(needed, cluster.min_actors)
        self.capacity = most * cluster.slots
        self.pool = Pool(lambda: _start(cluster, config, tasks, sandbox), cluster, most)

    def runner(self) -> Runner:
        """Make an idle runner."""
        return RayRunner(self.pool, self.gallery)

    def close(self) -> None:
        """End the actors, and the waiting for them; who begins later starts others. The connection stays."""
        self.pool.close()


def connect(address: str) -> None:
    """Connect this process to a cluster, unless it is connected.

    Raises:
        ClusterError: There is none at the address.
    """
    if ray.is_initialized():
        return
    if address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init("local", include_dashboard=False)
        return
    try:
        ray.init(address)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"no Ray cluster at {address!r} ({error}): start one with `ray start --head`, or use `local`"
        ) from error


def _start(cluster: RayConfig, config: EnvConfig, tasks: TaskSource | None, sandbox: Sandbox | None) -> Any:
    """Start an actor where there is room, spread over the nodes; on preferred ones if they have room."""
    near: dict[str, Any] = {}
    if cluster.near:
        near = {"label_selector": dict(cluster.near), "fallback_strategy": [{"label_selector": {}}]}
    options = ray.remote(EpisodeActor).options(
        num_cpus=cluster.cpus,
        resources=dict(cluster.resources),
        scheduling_strategy="SPREAD",
        max_concurrency=cluster.slots,
        **near,
    )
    return options.remote(config, tasks, sandbox)


@dataclass(frozen=True, slots=True)
class _Running:
    """An episode in an actor: its name there, and what its infos repeat."""

    worker: Worker
    name: str
    info: dict[str, Any]


class RayRunner:
    """Runs one episode at a time in some actor; see `Runner`."""

    def __init__(self, pool: Pool, gallery: Gallery) -> None:
        """Make an idle runner."""
        self.telemetry = Telemetry()
        self.episode: Episode | None = None
        self.task: Task | None = None
        self.reward: Reward | None = None
        self._pool = pool
        self._gallery = gallery
        self._running: _Running | None = None
        self._turns = 0
        self._before = Telemetry()

    @property
    def running(self) -> bool:
        """Whether an episode goes on."""
        return self._running is not None

    def begin(self, place: Place) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode as soon as there is a slot; in another actor if the first is lost.

        Raises:
            ClusterError: The cluster has no slot for it, or loses one actor after the other, or the host was
                closed meanwhile.
        """
        generation = self._pool.generation  # first: whoever begins while the host is closed waits for nothing
        self.close()
        self.task, self.reward, self._turns = None, None, 0
        self._before = self.telemetry
        attempts = BEGIN_ATTEMPTS + len(self._pool.workers)  # all that there are may have died meanwhile
        for _ in range(attempts):
            try:
                return self._begin(place, generation)
            except RayError as error:
                if is_raised(error):
                    raise
                last = error
        raise ClusterError(
            f"an episode could not be begun: {attempts} actors were lost at it, the last one so: "
            f"{reason(last)}"
        ) from last

    def step(self, text: str) -> StepResult:
        """Take the policy's turn; an actor that is lost ends the episode as `infra_failed`."""
        self._turns += 1
        action = ACTION_NAMES[type(parse_turn(text))]
        return self._ask(lambda running: running.worker.handle.step.remote(running.name, text), action)

    def abandon(self) -> StepResult:
        """End the episode as truncated."""
        return self._ask(lambda running: running.worker.handle.abandon.remote(running.name), None)

    def close(self) -> None:
        """Let the actor forget the episode. Idempotent."""
        running, self._running = self._running, None
        if running is not None:
            self._forget(running.worker, running.name)

    def _begin(self, place: Place, generation: int) -> tuple[Observation, dict[str, Any]]:
        worker, name = self._pool.lease(generation), uuid4().hex
        try:
            begun: Begun = ray.get(worker.handle.begin.remote(name, place))
            observation = self._gallery.observation(begun.observation)
            self.task = replace(begun.task, images=self._gallery.images(begun.images))
        except BaseException as error:
            self._forget(worker, name, error)
            raise
        known: dict[str, Any] = {key: begun.info[key] for key in ("task_id", "family")}
        self._running = _Running(worker, name, known)
        return observation, begun.info

    def _ask(self, call: Callable[[_Running], Any], action: str | None) -> StepResult:
        running = self._running
        if running is None:
            raise RuntimeError("no episode is running in this slot; start one first")
        try:
            performed: Performed = ray.get(call(running))
            observation = self._gallery.observation(performed.observation)
        except RayError as error:
            if is_raised(error):
                raise
            return self._lost(running, action, error)
        self.telemetry = self._before + performed.telemetry
        if performed.result.done:
            self._running = None
            self.reward = performed.reward
            self._pool.release(running.worker)
        return replace(performed.result, observation=observation)

    def _lost(self, running: _Running, action: str | None, error: RayError) -> StepResult:
        self.telemetry.failures.append(f"the episode was lost with its actor: {reason(error)}")
        self._running, self.reward = None, NO_REWARD
        self._forget(running.worker, running.name, error)
        return infra_failed(running.info, self._turns, action)

    def _forget(self, worker: Worker, name: str, error: BaseException | None = None) -> None:
        """Free an episode's slot, or give its actor up."""
        if error is not None and _is_dead(error):
            self._pool.lost(worker)
            return
        try:
            ray.get(worker.handle.close.remote(name), timeout=CLOSE_SECONDS)
        except RayError as failure:
            if _is_dead(failure):
                self._pool.lost(worker)
                return
        self._pool.release(worker)


def _is_dead(error: BaseException) -> bool:
    """Whether an actor is gone for good."""
    return isinstance(error, RayActorError) and not isinstance(error, ActorUnavailableError)
