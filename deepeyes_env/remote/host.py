"""`remote=URL`: runners whose episodes run on a server."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from deepeyes_env.episode import Episode, Observation
from deepeyes_env.errors import ConfigError
from deepeyes_env.host import Place, Runner
from deepeyes_env.images import EncodedImage
from deepeyes_env.protocol import parse_turn
from deepeyes_env.remote.connection import Connection, Lease
from deepeyes_env.remote.error import ConnectionBroken, RemoteError, SessionLost
from deepeyes_env.remote.wire import Json, read_info, read_observation, read_result, read_rules
from deepeyes_env.rewards.base import NO_REWARD, Reward
from deepeyes_env.runner import ACTION_NAMES, StepResult, infra_failed
from deepeyes_env.search.base import SearchEngine
from deepeyes_env.task import SPLITS, Split, Task, TaskSource
from deepeyes_env.telemetry import Telemetry

MAX_QUESTION_IMAGES = 50
"""Most images of a question, whatever `max_images` says, which is for those of tools (`Observation`)."""


@dataclass(frozen=True)
class RemoteTasks:
    """How many tasks a server has; they themselves, with their answers, stay there.

    Attributes:
        name: Name of the source.
        sizes: Number of tasks of each split, or None for endlessly many.
    """

    name: str
    sizes: Mapping[Split, int | None]

    @classmethod
    def read(cls, value: Any) -> RemoteTasks:
        """What a greeting says of the tasks.

        Raises:
            RemoteError: It says nothing of use.
        """
        try:
            sizes: dict[Split, int | None] = {split: value["sizes"][split] for split in SPLITS}
            name = value["name"]
        except (KeyError, TypeError) as error:
            raise RemoteError("the server does not say what tasks it has") from error
        counts = [size for size in sizes.values() if size is not None]
        if not isinstance(name, str) or not all(type(size) is int and size >= 0 for size in counts):
            raise RemoteError("the server does not say how many tasks it has")
        return cls(name, sizes)

    def size(self, split: Split) -> int | None:
        """See `TaskSource`."""
        return self.sizes[split]

    def task(self, index: int, split: Split = "train") -> Task:
        """Always refused.

        Raises:
            ConfigError: The tasks are on the server.
        """
        raise ConfigError("the tasks of a remote environment stay on its server, with their answers")

    def search_engine(self) -> SearchEngine | None:
        """None: the server searches."""
        return None


class RemoteHost:
    """Episodes on a server, all in one session."""

    def __init__(self, url: str) -> None:
        """Open a session.

        Args:
            url: The server's address.

        Raises:
            ConfigError: The address or the token cannot be used.
            RemoteError: The server cannot.
        """
        self._connection = Connection(url)
        greeting = self._connection.greeting()
        try:
            self.config = read_rules(greeting.get("rules"))
            self.tasks: TaskSource = RemoteTasks.read(greeting.get("tasks"))
        except RemoteError:
            self._connection.close()
            raise
        self.engine: SearchEngine | None = None

    def runner(self) -> Runner:
        """Make an idle runner."""
        return RemoteRunner(self._connection, self.config.max_images)

    def close(self) -> None:
        """End the session; a runner that begins anew opens another."""
        self._connection.close()


@dataclass(frozen=True, slots=True)
class _Running:
    """An episode on the server: its session, its path there, and what its infos repeat."""

    lease: Lease
    path: str
    info: Json


class RemoteRunner:
    """Runs one episode at a time on a server; see `Runner`."""

    def __init__(self, connection: Connection, max_images: int) -> None:
        """Make an idle runner; an observation of more than `max_images` images is refused."""
        self.telemetry = Telemetry()
        self.episode: Episode | None = None
        self.task: Task | None = None
        self.reward: Reward | None = None
        self._connection = connection
        self._max_images = max_images
        self._running: _Running | None = None
        self._turns = 0

    @property
    def running(self) -> bool:
        """Whether an episode goes on."""
        return self._running is not None

    def begin(self, place: Place) -> tuple[Observation, Json]:
        """Begin an episode, in a new session if the old one is lost.

        Raises:
            RemoteError: The server cannot begin it, or the host was closed meanwhile.
        """
        generation = self._connection.generation
        self.close()
        self.reward, self._turns = None, 0
        with self.telemetry.measure("reset"):
            try:
                return self._begin(place, generation)
            except (SessionLost, ConnectionBroken):
                return self._begin(place, generation)

    def step(self, text: str) -> StepResult:
        """Take the policy's turn; a server that fails ends the episode as `infra_failed`."""
        self._turns += 1
        return self._ask("/turns", {"text": text}, ACTION_NAMES[type(parse_turn(text))])

    def abandon(self) -> StepResult:
        """End the episode as truncated."""
        return self._ask("/abandon", {}, None)

    def close(self) -> None:
        """Let the server forget the episode. Idempotent."""
        running, self._running = self._running, None
        if running is not None:
            with suppress(RemoteError):  # the end of the session frees it too
                self._connection.delete(running.lease, running.path)

    def _begin(self, place: Place, generation: int) -> tuple[Observation, Json]:
        lease = self._connection.lease(generation)
        body = {"index": place.index, "split": place.split, "seed": place.seed}
        reply = self._connection.post(lease, "/episodes", body)
        name = reply.get("episode")
        if not isinstance(name, str) or not name.isalnum():
            raise RemoteError("the server does not name the episode")
        self._running = _Running(lease, f"/episodes/{name}", {})
        try:
            info = read_info(reply.get("info"))
            most = max(self._max_images, MAX_QUESTION_IMAGES)
            observation = read_observation(reply.get("observation"), most, self._image(lease))
        except RemoteError:
            self.close()
            raise
        known: Json = {key: info[key] for key in ("task_id", "family") if key in info}
        self._running = replace(self._running, info=known)
        return observation, info

    def _ask(self, path: str, body: Json, action: str | None) -> StepResult:
        running = self._running
        if running is None:
            raise RuntimeError("no episode is running in this slot; start one first")
        try:
            with self.telemetry.measure("turn"):
                reply = self._connection.post(running.lease, running.path + path, body)
                result = read_result(reply, self._max_images, self._image(running.lease))
        except RemoteError as error:
            self.telemetry.failures.append(str(error))
            self.close()
            self.reward = NO_REWARD
            return infra_failed(running.info, self._turns, action)
        if result.done:
            self._running = None
            self.reward = Reward(*(result.info[key] for key in ("accuracy", "format", "total")))
        return result

    def _image(self, lease: Lease) -> Any:
        def image(name: str) -> EncodedImage:
            return self._connection.image(lease, name)

        return image
