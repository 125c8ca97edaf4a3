"""Under Ray's interpreter, without a cluster: actors that do not start, and waiting that is in vain."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayActorError, RayTaskError

from deepeyes_env.adapters.ray import ClusterError, RayConfig, host, pool
from deepeyes_env.config import ConfigError
from deepeyes_env.host import Place

SECONDS = 3.0
"""Wait for a slot that never comes, in tests of what must come sooner."""

MISTAKE = RayTaskError("open", "no such directory", ConfigError()).as_instanceof_cause()


class Cluster:
    """Starts actors that open as they are told, on a node or with an error; further ones as the last."""

    def __init__(self, *openings: str | Exception) -> None:
        self.openings = list(openings)
        self.started = 0

    def start(self) -> Any:
        opening = self.openings[min(self.started, len(self.openings) - 1)]
        self.started += 1
        future: Future[str] = Future()
        if isinstance(opening, Exception):
            future.set_exception(opening)
        else:
            future.set_result(opening)
        opened = SimpleNamespace(future=lambda: future)
        return SimpleNamespace(
            open=SimpleNamespace(remote=lambda: opened), begin=SimpleNamespace(remote=lambda *_: None)
        )


@pytest.fixture(autouse=True)
def nothing_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_end", lambda workers: None)


def made(cluster: Cluster, wait: float = SECONDS) -> pool.Pool:
    return pool.Pool(cluster.start, RayConfig(slots=1, wait_seconds=wait), most=2)


def test_what_a_user_must_mend_on_one_node_is_told_while_another_works() -> None:
    actors = made(Cluster("a", MISTAKE))
    actors.lease(0)
    with pytest.raises(ConfigError, match="no such directory"):
        actors.lease(0)


def test_failed_starts_are_forgotten_when_nodes_may_have_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PAUSE_SECONDS", 0.1)
    actors = made(Cluster("a", *[RayActorError()] * 3, "b"))
    assert [actors.lease(0).node for _ in range(2)] == ["a", "b"]


def test_who_waits_in_vain_is_told_why_no_actor_started() -> None:
    actors = made(Cluster("a", RayActorError(error_msg="the node is full of bees")), wait=0.1)
    actors.lease(0)
    with pytest.raises(ClusterError, match=r"1 of at most 2 actors run.* did not start: .*full of bees"):
        actors.lease(0)


def test_closing_ends_the_waiting_and_starts_nothing() -> None:
    cluster = Cluster("a", "b", "c")
    actors = made(cluster)
    for _ in range(2):
        actors.lease(0)
    with ThreadPoolExecutor(1) as thread:
        waits = thread.submit(actors.lease, 0)
        while not actors._waiting:
            threading.Event().wait(0.01)
        actors.close()
        with pytest.raises(ClusterError, match="closed while it waited"):
            waits.result(SECONDS)
    assert cluster.started == 2
    assert actors.lease(actors.generation).node == "c"


def test_an_episode_that_begins_while_the_host_is_closed_begins_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster("a")
    actors = made(cluster)

    def killed(_: Any) -> None:
        actors.close()
        raise RayActorError

    monkeypatch.setattr(host.ray, "get", killed)
    with pytest.raises(ClusterError, match="closed while it waited"):
        host.RayRunner(actors, host.Gallery()).begin(Place(0, "train", 0))
    assert cluster.started == 1
