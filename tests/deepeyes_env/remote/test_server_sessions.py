"""The sessions behind the server, without HTTP: an episode that cannot be closed takes no other along."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from deepeyes_env import DeepEyesAsyncEnv
from deepeyes_env.host import Place
from deepeyes_env.remote.server.sessions import Sessions

# The helpers of other rooms' tests.
sys.path.insert(0, str(Path(__file__).parents[1]))
from env_parts import InProcessSandbox, InProcessSession, code, make_source


class Stuck(InProcessSession):
    """The first that is to be closed cannot be."""

    stuck: ClassVar[list[object]] = []

    def close(self) -> None:
        if self.stuck:
            self.stuck.pop()
            raise OSError("it cannot be closed")
        super().close()


class Sandbox(InProcessSandbox):
    def open(self, *given: Any, **named: Any) -> Any:
        return Stuck(*given)


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> DeepEyesAsyncEnv:
    monkeypatch.setattr(Stuck, "stuck", [object()])
    return DeepEyesAsyncEnv(3, tasks=make_source(), sandbox=Sandbox())


async def three_episodes(sessions: Sessions) -> Any:
    session = sessions.open()
    for _ in range(3):
        name, _running = await sessions.begin(session.name, Place(0, "train", 0))
        await sessions.turn(session.name, name, code("1"))
    return session


def test_all_other_episodes_of_the_session_are_closed(env: DeepEyesAsyncEnv) -> None:
    async def scenario() -> None:
        sessions = Sessions(env, most=1, episodes=3, idle_seconds=100)
        session = await three_episodes(sessions)
        with pytest.raises(OSError, match="cannot be closed"):
            await sessions.close(session)
        assert sessions.episodes == len(sessions) == 0

    asyncio.run(scenario())
    env.close()


def test_other_idle_sessions_are_closed(env: DeepEyesAsyncEnv, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        sessions = Sessions(env, most=2, episodes=6, idle_seconds=0.05)
        for _ in range(2):
            await three_episodes(sessions)
        expiry = asyncio.create_task(sessions.expire())
        async with asyncio.timeout(30):
            while (len(sessions) or sessions.episodes) and not expiry.done():
                await asyncio.sleep(0.01)
        assert not expiry.done()
        expiry.cancel()

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert "it cannot be closed" in caplog.text
    env.close()
