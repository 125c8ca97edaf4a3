"""The sessions behind the server: each has episodes, and ends with its stream or when it is idle."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from deepeyes_env.async_env import AsyncEpisode, DeepEyesAsyncEnv
from deepeyes_env.episode import Observation
from deepeyes_env.host import Place
from deepeyes_env.images import EncodedImage
from deepeyes_env.runner import StepResult


class FullError(RuntimeError):
    """The server takes on no more; the message says of what."""


class UnknownError(LookupError):
    """There is no such episode or image, or it is gone."""


class EndedError(LookupError):
    """There is no such session, or it has ended."""


class BusyError(RuntimeError):
    """The episode has a turn in progress."""


@dataclass(eq=False, slots=True)
class Running:
    """An episode; `turn` is the turn that is being performed."""

    live: AsyncEpisode
    images: dict[str, EncodedImage] = field(default_factory=dict)
    turn: asyncio.Future[StepResult] | None = None

    def show(self, observation: Observation) -> None:
        """Let the client ask for the images of an observation."""
        self.images |= {image.sha256: image for image in observation.images}


@dataclass(eq=False, slots=True)
class Session:
    """A client's episodes by name."""

    name: str
    episodes: dict[str, Running] = field(default_factory=dict)
    beginning: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    used: float = field(default_factory=time.monotonic)

    @property
    def idle_since(self) -> float | None:
        """When it was last used, or None while it works."""
        busy = self.beginning or any(running.turn for running in self.episodes.values())
        return None if busy else self.used


class Sessions:
    """Belongs to one event loop."""

    def __init__(self, env: DeepEyesAsyncEnv, *, most: int, episodes: int, idle_seconds: float) -> None:
        """Make an empty table.

        Args:
            env: Where episodes run.
            most: Sessions at the same time.
            episodes: Episodes at the same time, of all sessions together.
            idle_seconds: Time without a request after which a session is closed.
        """
        self._env = env
        self._most = most
        self._most_episodes = episodes
        self._idle_seconds = idle_seconds
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def episodes(self) -> int:
        """Episodes that run or begin."""
        return sum(len(session.episodes) + session.beginning for session in self._sessions.values())

    def open(self) -> Session:
        """Open a session.

        Raises:
            FullError: There are too many.
        """
        if len(self._sessions) >= self._most:
            raise FullError(f"{self._most} sessions are open")
        session = Session(f"s{secrets.token_hex(16)}")
        self._sessions[session.name] = session
        return session

    async def close(self, session: Session) -> None:
        """End a session and its episodes; a turn that is performed frees its episode when it is done."""
        self._sessions.pop(session.name, None)
        session.closed.set()
        episodes, session.episodes = session.episodes, {}
        for running in episodes.values():
            await _free(running)

    async def expire(self) -> None:
        """Close idle sessions, for ever."""
        while True:
            await asyncio.sleep(self._idle_seconds / 4)
            oldest = time.monotonic() - self._idle_seconds
            for session in list(self._sessions.values()):
                since = session.idle_since
                if since is not None and since < oldest:
                    await self.close(session)

    async def begin(self, name: str, place: Place) -> tuple[str, Running]:
        """Begin an episode.

        Raises:
            FullError: There are too many.
            EndedError: There is no such session, or it ended meanwhile.
        """
        session = self._session(name)
        if self.episodes >= self._most_episodes:
            raise FullError(f"{self._most_episodes} episodes run")
        session.beginning += 1
        try:
            running = Running(await self._env.begin_at(place))
        finally:
            session.beginning -= 1
        if session.closed.is_set():
            await running.live.close()
            raise EndedError("the session has ended")
        running.show(running.live.observation)
        episode = secrets.token_hex(8)
        session.episodes[episode] = running
        return episode, running

    async def turn(self, name: str, episode: str, text: str) -> StepResult:
        """Take a turn; raises as `abandon`."""
        return await self._perform(name, episode, lambda live: live.step(text))

    async def abandon(self, name: str, episode: str) -> StepResult:
        """End an episode as truncated.

        Raises:
            BusyError: It has a turn in progress.
            EndedError: There is no such session, or it has ended.
            UnknownError: There is no such episode, or it ended meanwhile.
        """
        return await self._perform(name, episode, lambda live: live.abandon())

    async def drop(self, name: str, episode: str) -> None:
        """Free an episode; one that is not there is free."""
        running = self._session(name).episodes.pop(episode, None)
        if running is not None:
            await _free(running)

    def image(self, name: str, sha256: str) -> EncodedImage:
        """An image that a running episode has shown.

        Raises:
            UnknownError: There is none.
        """
        for running in self._session(name).episodes.values():
            if sha256 in running.images:
                return running.images[sha256]
        raise UnknownError("no running episode shows this image")

    async def _perform(
        self, name: str, episode: str, work: Callable[[AsyncEpisode], Awaitable[StepResult]]
    ) -> StepResult:
        session = self._session(name)
        running = session.episodes.get(episode)
        if running is None:
            raise UnknownError("there is no such episode, or it has ended")
        if running.turn is not None:
            raise BusyError("the episode has a turn in progress")
        running.turn = asyncio.ensure_future(work(running.live))
        try:
            result = await running.turn
        except asyncio.CancelledError:
            if episode in session.episodes:  # then it is this request that is cancelled
                raise
            raise UnknownError("the episode has ended") from None
        finally:
            running.turn = None
            session.used = time.monotonic()
        if result.done:
            session.episodes.pop(episode, None)
            await running.live.close()
        running.show(result.observation)
        return result

    def _session(self, name: str) -> Session:
        session = self._sessions.get(name)
        if session is None:
            raise EndedError("there is no such session, or it has ended")
        session.used = time.monotonic()
        return session


async def _free(running: Running) -> None:
    if (turn := running.turn) is not None:
        turn.cancel()
        await asyncio.wait({turn})
    await running.live.close()  # of a turn that is performed, the thread does it
