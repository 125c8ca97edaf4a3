import asyncio
import threading

import pytest

from deepeyes_env.async_env import DeepEyesAsyncEnv, ToolTimeout
from deepeyes_env.config import ConfigError
from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.sandbox.base import CellResult, CellStatus

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
