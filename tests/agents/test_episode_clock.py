from __future__ import annotations

import asyncio

import pytest

from agents.episode_clock import EpisodeClock, OutOfTime


def test_work_ends_at_the_end_and_the_clock_runs_on_between_works():
    async def run():
        clock = EpisodeClock(0.2)
        assert await clock.within(asyncio.sleep(0.01, "done")) == "done"
        await asyncio.sleep(0.2)
        with pytest.raises(OutOfTime):
            await clock.within(asyncio.sleep(60))

    asyncio.run(run())


def test_a_stopped_clock_stands_still_and_goes_on_with_what_was_left():
    async def work(clock):
        with clock.stopped():
            await asyncio.sleep(0.4)
        await asyncio.sleep(0.01)
        return "done"

    async def run():
        clock = EpisodeClock(0.2)
        assert await clock.within(work(clock)) == "done"
        with pytest.raises(OutOfTime):
            await clock.within(asyncio.sleep(60))

    asyncio.run(run())


def test_the_works_own_time_limits_are_its_own():
    async def work(clock):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)

    async def run():
        clock = EpisodeClock(60)
        with pytest.raises(TimeoutError):
            await clock.within(work(clock))

    asyncio.run(run())


def test_without_a_limit_there_is_nothing_to_stop():
    clock = EpisodeClock()
    with clock.stopped():
        assert asyncio.run(clock.within(asyncio.sleep(0, "done"))) == "done"
