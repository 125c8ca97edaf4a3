"""Under Ray's interpreter, on a real cluster: nodes and actors that die, limits that hold, added nodes.

The three nodes of the cluster have a processor each, so there is one actor on a node.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import ray
from PIL import Image
from ray.autoscaler.v2.sdk import get_cluster_status
from ray_cluster import add_node, cluster_of, kill_node

from agents.actor import text_vocabulary
from agents.event_loop import iterate
from agents.rollout import stream
from agents.rollout_stats import RolloutStats
from agents.scripted import ScriptSpeaker, oracle_program
from agents.speaker import RolloutRequest
from agents.store import RECORDS, TrajectoryWriter
from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env import DeepEyesAsyncEnv, DeepEyesVectorEnv, EnvConfig
from deepeyes_env.adapters.ray import ClusterError, RayAsyncEnv, RayConfig, RayVectorEnv
from deepeyes_env.config import ConfigError
from deepeyes_env.episode import Observation
from deepeyes_env.images import EncodedImage
from deepeyes_env.sandbox.base import CellResult, CellStatus
from deepeyes_env.task import Answer, Split, Task
from deepeyes_env.tasks import WorldConfig
from deepeyes_env.tasks.worlds.oracles.turns import answer, code

CONFIG = EnvConfig(prompt="minimal", source=WorldConfig(families=("at-a-glance", "closer-look")))

LOOK = code("Look.", "image_1")
SAY = answer("I see.", "7")


@dataclass(frozen=True)
class Sevens:
    """Endless tasks with a picture; four in a row have the same."""

    name: str = "sevens"

    def size(self, split: Split) -> None:
        return None

    def task(self, index: int, split: Split = "train") -> Task:
        image = EncodedImage.from_pil(Image.new("RGB", (84, 56), (index // 4 % 256, 0, 0)))
        return Task(f"sevens/{split}/{index}", "What is it?", (image,), Answer("7"), family="sevens")

    def search_engine(self) -> None:
        return None


@dataclass(frozen=True)
class Broken(Sevens):
    """A source that a node cannot use: its index is not there."""

    def search_engine(self) -> None:
        raise ConfigError("search.path: no such directory on this node")


@dataclass(frozen=True)
class Counted:
    """A sandbox that takes its time and notes how many sessions are open, on all nodes of this machine."""

    notes: str
    seconds: float = 0.05

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> CountedSession:
        handle, name = tempfile.mkstemp(dir=self.notes, suffix=".open")
        os.close(handle)
        now = len(list(Path(self.notes).glob("*.open")))
        Path(f"{name[:-5]}.{now}.seen").touch()
        return CountedSession(name, self.seconds, images[0])


@dataclass(frozen=True)
class CountedSession:
    name: str
    seconds: float
    image: Image.Image

    def run(self, code: str) -> CellResult:
        time.sleep(self.seconds)
        return CellResult(CellStatus.OK, stdout="seen", images=(self.image,))

    def close(self) -> None:
        Path(self.name).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with cluster_of(*[{"num_cpus": 1}] * 3) as (cluster, _):
        yield cluster


@pytest.fixture(autouse=True)
def three_nodes(cluster: Any) -> None:
    """Put back what a test has taken away."""
    while len(cluster.worker_nodes) < 3:
        add_node(cluster, num_cpus=1)


def holder(envs: Any) -> Any:
    """The actor with the most episodes."""
    return max(envs.host.pool.workers, key=lambda worker: worker.held)


def node_of(cluster: Any, worker: Any) -> Any:
    return next(node for node in cluster.worker_nodes if node.node_id == worker.node)


def play(envs: DeepEyesVectorEnv, slots: Sequence[int], then: Any = None) -> dict[int, list[Any]]:
    """Look, look and say in each slot, on the task of its number; `then` happens after the first looks."""
    seen: dict[int, list[Any]] = {slot: [envs.begin(slot, slot, "train", slot)[0]] for slot in slots}
    going = list(slots)
    for number, turn in enumerate((LOOK, LOOK, SAY)):
        if number == 1 and then is not None:
            then()
        for slot in going:
            envs.submit(slot, turn)
        going = []
        while done := envs.ready():
            for slot, result in done:
                seen[slot].append(result)
                going += [] if result.done else [slot]
    return seen


def said(results: Sequence[Any]) -> list[Any]:
    """What can be compared of an episode."""
    first, *steps = results
    return [_said(first), *((_said(one.observation), one.reward, one.done, one.info) for one in steps)]


def _said(observation: Observation) -> tuple[str, list[str]]:
    return observation.text, [image.sha256 for image in observation.images]


def test_a_node_that_dies_takes_only_its_own_episodes_with_it(cluster, tmp_path):
    envs = RayVectorEnv(
        6,
        CONFIG,
        tasks=Sevens(),
        sandbox=Counted(str(tmp_path)),
        cluster=RayConfig(slots=2, idle_seconds=0.1),
    )
    here = DeepEyesVectorEnv(6, CONFIG, tasks=Sevens(), sandbox=Counted(str(tmp_path)))
    wanted = play(here, range(6))
    assert all(results[-1].reward > 0 for results in wanted.values())

    seen = play(envs, range(6), lambda: kill_node(cluster, node_of(cluster, holder(envs))))
    lost = [slot for slot, results in seen.items() if results[-1].info["outcome"] == "infra_failed"]
    assert len(lost) == 2
    for slot, results in seen.items():
        if slot in lost:
            end = results[-1]
            assert (end.reward, end.terminated, end.truncated) == (0.0, False, True)
            assert end.info["task_id"] == wanted[slot][1].info["task_id"]
            assert said(results[:-1]) == said(wanted[slot][: len(results) - 1])
        else:
            assert said(results) == said(wanted[slot])
    assert len(envs.telemetry.failures) == 2
    assert all("lost with its actor: The actor died" in reason for reason in envs.telemetry.failures)

    # There is room for one actor less now: what was lost is played again in the slots of the others.
    assert {slot: said(results) for slot, results in play(envs, lost).items()} == {
        slot: said(wanted[slot]) for slot in lost
    }
    envs.close()
    here.close()


def stored(trajectories: Sequence[Trajectory], folder: Path) -> bytes:
    with TrajectoryWriter(folder) as writer:
        for one in trajectories:
            writer.append(one)
    return (folder / RECORDS).read_bytes()


def test_a_rollout_loses_nothing_with_a_node(cluster, tmp_path):
    requests = [RolloutRequest(index, "train", SeedLineage(1, prompt=index)) for index in range(12)]
    words = text_vocabulary()
    here = DeepEyesAsyncEnv(6, CONFIG)
    wanted = list(iterate(stream(ScriptSpeaker(oracle_program, words), here, requests)))
    here.close()

    env = RayAsyncEnv(6, CONFIG, cluster=RayConfig(slots=2))

    def fullest_node() -> Any:
        held = Counter(runner._running.worker for runner in env._runners if runner._running)
        return node_of(cluster, held.most_common(1)[0][0])

    def deadly(task: Task, lineage: SeedLineage) -> Any:
        """The oracle, but after its first turn in the sixth task a node dies with all that it holds."""
        script = oracle_program(task, lineage)
        observation = yield next(script)
        if lineage.prompt == 5 and len(cluster.worker_nodes) == 3:
            kill_node(cluster, fullest_node())
        while True:
            observation = yield script.send(observation)

    stats = RolloutStats()
    got = list(iterate(stream(ScriptSpeaker(deadly, words), env, requests, infra_retries=2, stats=stats)))
    env.close()
    assert len(cluster.worker_nodes) == 2
    assert stats.retries > 0
    assert [one.reward.accuracy for one in wanted] == [1.0] * 12
    assert stored(got, tmp_path / "got") == stored(wanted, tmp_path / "wanted")


def test_an_actor_that_dies_is_replaced(cluster, tmp_path):
    envs = RayVectorEnv(4, CONFIG, tasks=Sevens(), sandbox=Counted(str(tmp_path)), cluster=RayConfig(slots=2))
    before = play(envs, range(4))
    kept, killed = None, []

    def kill() -> None:
        nonlocal kept
        victim, kept = envs.host.pool.workers
        ray.kill(victim.handle)
        killed.append(victim)

    seen = play(envs, range(4), kill)
    failed = [slot for slot in seen if seen[slot][-1].info["outcome"] == "infra_failed"]
    assert len(failed) == 2
    assert all(said(seen[slot]) == said(before[slot]) for slot in seen if slot not in failed)
    assert {slot: said(results) for slot, results in play(envs, range(4)).items()} == {
        slot: said(results) for slot, results in before.items()
    }
    workers = envs.host.pool.workers
    assert kept in workers
    assert killed[0] not in workers
    assert len(workers) == 2
    envs.close()


def test_no_more_episodes_at_once_than_there_are_slots(cluster, tmp_path):
    env = RayAsyncEnv(
        12,
        CONFIG,
        tasks=Sevens(),
        sandbox=Counted(str(tmp_path)),
        cluster=RayConfig(slots=2, max_actors=2),
    )
    requests = [RolloutRequest(index, "train", SeedLineage(1, prompt=index)) for index in range(16)]

    async def start_both_actors() -> None:
        for episode in [await env.begin(index) for index in range(4)]:
            await episode.close()

    asyncio.run(start_both_actors())

    def looks(task: Task, lineage: SeedLineage) -> Any:
        yield LOOK
        yield LOOK
        yield SAY

    done = list(iterate(stream(ScriptSpeaker(looks, text_vocabulary()), env, requests)))
    env.close()
    assert [one.lineage.prompt for one in done] == list(range(16))
    assert all(one.reward.accuracy == 1.0 for one in done)
    at_once = [int(note.name.split(".")[1]) for note in tmp_path.glob("*.seen")]
    assert len(at_once) == 16
    assert max(at_once) == 4
    assert not list(tmp_path.glob("*.open"))

    with pytest.raises(ConfigError, match=r"num_envs = 5: .* 2 actors hold 4"):
        RayVectorEnv(5, CONFIG, cluster=RayConfig(slots=2, max_actors=2))


def test_an_image_is_fetched_once_whichever_node_shows_it(cluster, tmp_path):
    envs = RayVectorEnv(8, CONFIG, tasks=Sevens(), sandbox=Counted(str(tmp_path)), cluster=RayConfig(slots=4))
    seen = play(envs, range(8))
    shown = {image.sha256 for each in seen.values() for one in each[1:-1] for image in one.observation.images}
    shown |= {image.sha256 for each in seen.values() for image in each[0].images}
    assert len({worker.node for worker in envs.host.pool.workers}) == 2
    assert envs.host.gallery.fetched == len(shown)
    play(envs, range(8))
    assert envs.host.gallery.fetched == len(shown)
    envs.close()


def test_nodes_are_asked_for_and_let_go_again(cluster, tmp_path):
    """This test is the autoscaler: it reads the demand where Ray's own does, and adds what is asked for."""
    settings = RayConfig(slots=2, cpus=0, resources={"episodes": 1.0}, min_actors=0, idle_seconds=0.5)
    envs = RayVectorEnv(4, CONFIG, tasks=Sevens(), sandbox=Counted(str(tmp_path)), cluster=settings)
    begun = threading.Thread(target=envs.reset, daemon=True)
    begun.start()
    wait_for(lambda: demand() == {"episodes": 2})
    added = [add_node(cluster, num_cpus=0, resources={"episodes": 1.0}) for _ in range(2)]
    begun.join(60)
    assert not begun.is_alive()
    assert {worker.node for worker in envs.host.pool.workers} == {node.node_id for node in added}
    play(envs, range(4))
    wait_for(lambda: not envs.host.pool.workers)
    play(envs, range(1))
    envs.close()
    for node in added:
        cluster.remove_node(node)


def demand() -> dict[str, int]:
    """What the cluster lacks."""
    status = get_cluster_status(ray.get_runtime_context().gcs_address)
    return {
        name: one.count * int(amount)
        for each in status.resource_demands.ray_task_actor_demand
        for one in each.bundles_by_count
        for name, amount in one.bundle.items()
    }


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_episodes_run_near_the_gpus_that_use_them(cluster, tmp_path):
    node = add_node(cluster, num_cpus=1, labels={"trainer": "yes"})
    near = RayConfig(slots=2, near={"trainer": "yes"})
    envs = RayVectorEnv(2, CONFIG, tasks=Sevens(), sandbox=Counted(str(tmp_path)), cluster=near)
    play(envs, range(2))
    assert [worker.node for worker in envs.host.pool.workers] == [node.node_id]
    envs.close()

    envs = RayVectorEnv(
        4, CONFIG, tasks=Sevens(), sandbox=Counted(str(tmp_path)), cluster=near
    )  # more than it has room for
    play(envs, range(4))
    nodes = [worker.node for worker in envs.host.pool.workers]
    assert node.node_id in nodes
    assert len(set(nodes)) == 2
    envs.close()
    cluster.remove_node(node)


def test_what_a_user_must_mend_is_told(cluster, tmp_path):
    envs = RayVectorEnv(1, CONFIG, tasks=Broken(), cluster=RayConfig())
    with pytest.raises(ConfigError, match="no such directory on this node"):
        envs.begin(0, 0)
    envs.close()

    envs = RayVectorEnv(
        1,
        CONFIG,
        tasks=Sevens(),
        sandbox=Counted(str(tmp_path)),
        cluster=RayConfig(cpus=99, wait_seconds=0.5),
    )
    with pytest.raises(ClusterError, match=r"0 of at most 1 actors run.* 1 wait for a node"):
        envs.begin(0, 0)
    envs.close()


def test_who_goes_on_after_closing_gets_new_actors(cluster, tmp_path):
    envs = RayVectorEnv(1, CONFIG, tasks=Sevens(), sandbox=Counted(str(tmp_path)), cluster=RayConfig())
    first = said(play(envs, [0])[0])
    envs.host.close()
    assert not envs.host.pool.workers
    assert said(play(envs, [0])[0]) == first
    envs.close()
