"""Under Ray's interpreter, without a cluster: actors that do not start, and waiting that is in vain."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import (
    NodeDiedError,
    RayActorError,
    RayError,
    RayTaskError,
    UnserializableException,
)

from deepeyes_env.adapters.ray import ClusterError, RayConfig, RayVectorEnv, host, pool
from deepeyes_env.config import ConfigError
from deepeyes_env.host import Place
from deepeyes_env.testing import adapter_config

SECONDS = 3.0
"""Wait for a slot that never comes, in tests of what must come sooner."""

MISTAKE = RayTaskError("open", "no such directory", ConfigError()).as_instanceof_cause()


class Cluster:
    """Starts actors that open as they are told; further ones as the last.

    They open on a node or with an error; with None they do not until one of `opening` is settled.
    """

    def __init__(self, *openings: str | Exception | None) -> None:
        self.openings = list(openings)
        self.opening: list[Future[str]] = []

    @property
    def started(self) -> int:
        return len(self.opening)

    def start(self) -> Any:
        opening = self.openings[min(self.started, len(self.openings) - 1)]
        future: Future[str] = Future()
        self.opening.append(future)
        if isinstance(opening, Exception):
            future.set_exception(opening)
        elif opening is not None:
            future.set_result(opening)
        opened = SimpleNamespace(future=lambda: future)
        return SimpleNamespace(
            open=SimpleNamespace(remote=lambda: opened),
            begin=SimpleNamespace(remote=lambda *_: None),
            close=SimpleNamespace(remote=lambda *_: None),
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


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def errors_of(waits: list[Future[Any]]) -> list[BaseException | None]:
    return [wait.exception(SECONDS) for wait in waits]


def test_everybody_who_waits_is_told_what_a_user_must_mend_and_starts_nothing() -> None:
    cluster = Cluster(None, None, "a")
    actors = made(cluster, wait=60)
    with ThreadPoolExecutor(5) as threads:
        waits = [threads.submit(actors.lease, 0) for _ in range(5)]
        until(lambda: actors._waiting == 5)
        cluster.opening[0].set_exception(MISTAKE)
        told = errors_of(waits)
    assert all(isinstance(error, ConfigError) and "no such directory" in str(error) for error in told)
    assert len({id(error) for error in told}) == 5  # each with a traceback of its own
    assert cluster.started == 2
    cluster.opening[1].set_exception(MISTAKE)
    assert actors.lease(0).node == "a"  # whoever comes next tries anew


def test_everybody_who_waits_is_told_why_no_actor_starts() -> None:
    cluster = Cluster(None, RayActorError(error_msg="bees"), RayActorError(error_msg="bees"), "a")
    actors = pool.Pool(cluster.start, RayConfig(slots=1, wait_seconds=60), most=1)
    with ThreadPoolExecutor(3) as threads:
        waits = [threads.submit(actors.lease, 0) for _ in range(3)]
        until(lambda: actors._waiting == 3)
        cluster.opening[0].set_exception(RayActorError(error_msg="bees"))
        told = errors_of(waits)
    assert all(isinstance(error, ClusterError) and "did not start" in str(error) for error in told)
    assert cluster.started == 3
    assert actors.lease(0).node == "a"


def test_an_error_that_does_not_survive_its_way_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = UnserializableException("Traceback: DatasetError: no such index on this node")
    cluster = Cluster(lost, "a")
    actors = made(cluster)
    with pytest.raises(UnserializableException, match="no such index on this node"):
        actors.lease(0)
    assert cluster.started == 1

    def raises(*_: Any, **options: Any) -> None:
        raise lost

    monkeypatch.setattr(host.ray, "get", raises)
    with pytest.raises(UnserializableException, match="no such index on this node"):
        host.RayRunner(actors, host.Gallery()).begin(Place(0, "train", 0))
    assert cluster.started == 2


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (MISTAKE, True),
        (RayTaskError("begin", "a trace", RayError("Exception x.Y isn't serializable")), True),
        (RayTaskError("begin", "a trace", NodeDiedError("gone")).as_instanceof_cause(), False),
        (RayActorError(), False),
    ],
)
def test_what_our_own_code_raised_is_told_from_what_became_of_ray(error: RayError, raised: bool) -> None:
    assert pool.is_raised(error) == raised


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> RayVectorEnv:
    """Two slots whose actors never open."""
    monkeypatch.setattr(host, "connect", lambda address: None)
    monkeypatch.setattr(host, "_start", lambda *_: Cluster(None).start())
    return RayVectorEnv(2, adapter_config(), cluster=RayConfig(slots=1, wait_seconds=60))


def test_closing_the_environments_ends_the_waiting_of_their_slots(waiting: RayVectorEnv) -> None:
    with ThreadPoolExecutor(1) as thread:
        reset = thread.submit(waiting.reset)
        until(lambda: waiting.host.pool._waiting == 2)
        since = time.monotonic()
        waiting.close()
        assert time.monotonic() - since < SECONDS
        with pytest.raises(ClusterError, match="closed while it waited"):
            reset.result(SECONDS)


@pytest.fixture
def interruptible() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in background jobs
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_the_waiting_of_all_slots(waiting: RayVectorEnv) -> None:
    def interrupt() -> None:
        until(lambda: waiting.host.pool._waiting == 2)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with ThreadPoolExecutor(1) as thread:
        interrupted = thread.submit(interrupt)
        since = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            waiting.reset()
        interrupted.result(SECONDS)
    assert time.monotonic() - since < SECONDS
    assert not waiting.host.pool._waiting
    waiting.close()


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


def test_who_gives_up_an_episode_while_the_host_is_closed_begins_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster("a")
    actors = made(cluster)
    runner = host.RayRunner(actors, host.Gallery())
    monkeypatch.setattr(runner, "close", actors.close)
    with pytest.raises(ClusterError, match="closed while it waited"):
        runner.begin(Place(0, "train", 0))
    assert cluster.started == 0
