import asyncio
import threading

import pytest

from deepeyes_env.async_env import DeepEyesAsyncEnv, ToolTimeout
from deepeyes_env.config import ConfigError, EnvConfig
from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.episode import Observation
from deepeyes_env.host import LocalHost, LocalRunner
from deepeyes_env.sandbox.base import CellResult, CellStatus
from deepeyes_env.telemetry import Telemetry

LOOK = "<think>look</think>\n<code>\n```python\nimage_1.crop((0, 0, 90, 60)).show()\nprint(7)\n```\n</code>"
SAY = "<think>say</think>\n<answer>7</answer>"


class Sandbox:
    """Cells wait for `gate`; counts sessions that are open and cells at work."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.lock = threading.Lock()
        self.started = threading.Semaphore(0)
        self.at_work = self.most = 0
        self.closed: list[int] = []

    def open(self, images, seed=0):
        return Session(self, seed)

    def close(self):
        pass


class Session:
    def __init__(self, sandbox, seed):
        self.sandbox, self.seed = sandbox, seed

    def run(self, code):
        box = self.sandbox
        with box.lock:
            box.at_work += 1
            box.most = max(box.most, box.at_work)
        box.started.release()
        box.gate.wait(60)
        with box.lock:
            box.at_work -= 1
        return CellResult(CellStatus.OK, stdout="7\n")

    def close(self):
        self.sandbox.closed.append(self.seed)


def test_the_same_as_the_single_environment():
    async def play():
        env = DeepEyesAsyncEnv(2)
        episode = await env.begin(index=5, split="validation", seed=3)
        results = [await episode.step(LOOK), await episode.step(SAY)]
        await episode.close()
        env.close()
        return episode, results

    single = DeepEyesEnv()
    single.reset(seed=3, options={"index": 5, "split": "validation"})
    steps = [single.step(LOOK), single.step(SAY)]
    episode, results = asyncio.run(play())
    assert episode.observation == single.episode.observations[0]
    assert episode.info["task_id"] == single.episode.task.id
    assert results[0].observation == single.episode.observations[1]
    assert [(r.reward, r.terminated, r.truncated, r.info) for r in results] == [step[1:] for step in steps]
    single.close()


def test_no_more_turns_at_once_than_there_are_workers():
    box = Sandbox()
    env = DeepEyesAsyncEnv(6, sandbox=box, workers=2)

    async def play():
        episodes = [await env.begin(index) for index in range(6)]
        turns = [asyncio.create_task(episode.step(LOOK)) for episode in episodes]
        await asyncio.to_thread(lambda: [box.started.acquire(timeout=30) for _ in range(2)])
        box.gate.set()
        await asyncio.gather(*turns)
        await asyncio.gather(*(episode.close() for episode in episodes))

    asyncio.run(play())
    assert box.most == 2
    assert len(box.closed) == 6
    env.close()


def test_a_late_turn_times_out_and_its_thread_frees_the_episode():
    box = Sandbox()
    env = DeepEyesAsyncEnv(2, sandbox=box)

    async def play():
        episode = await env.begin(0)
        with pytest.raises(ToolTimeout, match=r"0\.05 s"):
            await episode.step(LOOK, timeout=0.05)
        await episode.close()
        assert box.closed == []
        box.gate.set()
        # The worker is free again: another episode goes its way.
        other = await env.begin(1)
        assert (await other.step(LOOK)).info["tool_ok"]
        await other.close()

    asyncio.run(play())
    env.close()
    assert len(box.closed) == 2


def test_a_turn_that_still_waits_for_a_worker_is_given_up_at_once():
    box = Sandbox()
    env = DeepEyesAsyncEnv(2, sandbox=box, workers=1)

    async def play():
        busy, waiting = [await env.begin(index) for index in range(2)]
        first = asyncio.create_task(busy.step(LOOK))
        await asyncio.to_thread(box.started.acquire, timeout=30)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiting.step(LOOK), 0.05)
        with pytest.raises(RuntimeError, match="one turn at a time"):
            await busy.step(LOOK)
        box.gate.set()
        await first
        await waiting.close()
        await busy.close()

    asyncio.run(play())
    assert len(box.closed) == 1
    env.close()


def test_a_turns_time_does_not_count_the_wait_for_a_worker():
    box = Sandbox()
    env = DeepEyesAsyncEnv(2, sandbox=box, workers=1)

    async def play():
        slow, quick = [await env.begin(index) for index in range(2)]
        first = asyncio.create_task(slow.step(LOOK))
        await asyncio.to_thread(box.started.acquire, timeout=30)
        second = asyncio.create_task(quick.step(SAY))
        await asyncio.sleep(0.5)
        box.gate.set()
        await asyncio.gather(first, second)
        await asyncio.gather(slow.close(), quick.close())
        return slow.last_seconds, quick.last_seconds

    slow, quick = asyncio.run(play())
    env.close()
    assert slow >= 0.5 > quick


def test_a_cancelled_turn_frees_its_session_when_it_is_done():
    box = Sandbox()
    env = DeepEyesAsyncEnv(1, sandbox=box)

    async def play():
        episode = await env.begin(0)
        turn = asyncio.create_task(episode.step(LOOK))
        await asyncio.to_thread(box.started.acquire, timeout=30)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        await episode.close()
        box.gate.set()
        for _ in range(1000):
            if box.closed:
                return
            await asyncio.sleep(0.01)

    asyncio.run(play())
    assert len(box.closed) == 1
    env.close()


def test_one_turn_at_a_time_and_none_after_the_end():
    async def play():
        env = DeepEyesAsyncEnv()
        episode = await env.begin(0)
        assert (await episode.step(SAY)).done
        with pytest.raises(RuntimeError, match="step"):
            await episode.step(SAY)
        other = await env.begin(0)
        assert (await other.abandon()).truncated
        await other.close()
        await other.close()
        env.close()

    asyncio.run(play())


def test_it_works_in_one_event_loop_after_the_other():
    env = DeepEyesAsyncEnv(2)

    async def play():
        episode = await env.begin(0)
        result = await episode.step(SAY)
        await episode.close()
        return result.info

    assert asyncio.run(play()) == asyncio.run(play())
    assert env.telemetry.count["reset"] == 2
    env.close()


@pytest.mark.parametrize("options", [{"num_envs": 0}, {"workers": 0}])
def test_bad_numbers_are_refused(options):
    with pytest.raises(ConfigError, match="at least 1"):
        DeepEyesAsyncEnv(**options)


class Beginner:
    """A runner whose episode begins when the gate opens, or not at all."""

    def __init__(self, gate: threading.Event, error: Exception | None) -> None:
        self.telemetry = Telemetry()
        self.gate, self.error = gate, error
        self.begun, self.closed = threading.Event(), threading.Event()

    def begin(self, place):
        self.begun.set()
        self.gate.wait(60)
        if self.error:
            raise self.error
        return Observation("?"), {}

    def close(self):
        self.closed.set()


def beginners(monkeypatch, error=None):
    """An environment with one worker, its gate, and the runners that it makes."""
    env, gate, made = DeepEyesAsyncEnv(2, workers=1), threading.Event(), []

    def runner():
        made.append(Beginner(gate, error))
        return made[-1]

    monkeypatch.setattr(env._host, "runner", runner, raising=False)
    return env, gate, made


def test_who_is_cancelled_while_an_episode_begins_leaves_no_runner(monkeypatch):
    env, gate, made = beginners(monkeypatch)

    async def play():
        first, waiting = [asyncio.create_task(env.begin(index)) for index in range(2)]
        await asyncio.sleep(0)
        assert await asyncio.to_thread(made[0].begun.wait, 30)
        for task in (waiting, first):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await asyncio.to_thread(made[1].closed.wait, 30)
        assert not made[1].begun.is_set()
        assert not made[0].closed.is_set()
        gate.set()
        assert await asyncio.to_thread(made[0].closed.wait, 30)

    asyncio.run(play())
    assert not env._runners
    env.close()


def test_a_runner_whose_episode_did_not_begin_is_closed(monkeypatch):
    env, gate, made = beginners(monkeypatch, ConnectionError("the server is gone"))
    gate.set()
    with pytest.raises(ConnectionError):
        asyncio.run(env.begin(0))
    assert made[0].closed.wait(30)
    env.close()


def test_an_episode_that_still_begins_is_freed_with_the_environment(monkeypatch):
    env, gate, made = beginners(monkeypatch)

    async def play():
        task = asyncio.create_task(env.begin(0))
        await asyncio.sleep(0)
        assert await asyncio.to_thread(made[0].begun.wait, 30)
        env.close()
        assert made[0].closed.is_set()
        gate.set()
        await task

    asyncio.run(play())


class TwoPlaces(LocalHost):
    """A full cluster: an episode begins when one of two places is free, which ended episodes give back."""

    def __init__(self):
        super().__init__(EnvConfig(), None, None)
        self.places = threading.Semaphore(2)

    def runner(self):
        return Placed(self)


class Placed(LocalRunner):
    def __init__(self, host):
        super().__init__(host.config, host._services, host.tasks)
        self.places, self.held = host.places, False

    def begin(self, place):
        assert self.places.acquire(timeout=30), "waited for ever"
        self.held = True
        return super().begin(place)

    def close(self):
        super().close()
        held, self.held = self.held, False
        if held:
            self.places.release()


def test_episodes_that_wait_for_a_place_do_not_keep_others_from_their_turns():
    env = DeepEyesAsyncEnv(2, remote=TwoPlaces())

    async def play(index):
        episode = await env.begin(index)
        result = await episode.step(SAY)
        await episode.close()
        return result.done

    async def play_all():
        return await asyncio.gather(*(play(index) for index in range(6)))

    assert all(asyncio.run(play_all()))
    env.close()
