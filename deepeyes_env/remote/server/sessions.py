"""The sessions behind the server: each has episodes, and ends with its stream or when it is idle."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from deepeyes_env.async_env import AsyncEpisode, DeepEyesAsyncEnv
from deepeyes_env.episode import Observation
from deepeyes_env.host import Place
from deepeyes_env.images import EncodedImage
from deepeyes_env.runner import StepResult

_log = logging.getLogger(__name__)


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
    """An episode.

    Attributes:
        live: The episode itself.
        images: What it has shown.
        turn: Its last turn, which goes on though nobody waits for it once a thread performs it.
        wait: The wait for that turn.
    """

    live: AsyncEpisode
    images: dict[str, EncodedImage] = field(default_factory=dict)
    turn: asyncio.Future[StepResult] | None = None
    wait: asyncio.Future[StepResult] | None = None

    @property
    def busy(self) -> bool:
        """Whether a turn is in progress."""
        return self.turn is not None and not self.turn.done()

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
        busy = self.beginning or any(running.busy for running in self.episodes.values())
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
        self._beginning = 0
        self._running: set[Running] = set()
        self._freeing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def episodes(self) -> int:
        """Episodes that run or begin, though nobody may want them any more."""
        return len(self._running) + self._beginning

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
        """End a session and its episodes; a turn that is performed frees its episode when it is done.

        Raises:
            Exception: Whatever the first episode raised that could not be closed, after all others are.
        """
        self._sessions.pop(session.name, None)
        session.closed.set()
        episodes, session.episodes = session.episodes, {}
        freed = await asyncio.gather(*map(self._free, episodes.values()), return_exceptions=True)
        for failure in freed:
            if failure is not None:
                raise failure

    async def expire(self) -> None:
        """Close idle sessions, for ever."""
        while True:
            await asyncio.sleep(self._idle_seconds / 4)
            oldest = time.monotonic() - self._idle_seconds
            for session in list(self._sessions.values()):
                since = session.idle_since
                if since is not None and since < oldest:
                    try:
                        await self.close(session)
                    except Exception:
                        _log.exception("an idle session could not be closed")

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
        self._beginning += 1
        try:
            running = Running(await self._env.begin_at(place))
            self._running.add(running)
        finally:
            session.beginning -= 1
            self._beginning -= 1
        if session.closed.is_set():
            await self._free(running)
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
            await self._free(running)

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
        if running.busy:
            raise BusyError("the episode has a turn in progress")
        running.turn = asyncio.ensure_future(work(running.live))
        running.wait = asyncio.shield(running.turn)
        try:
            result = await running.wait
        except asyncio.CancelledError:
            if episode in session.episodes:  # then it is this request that is cancelled
                raise
            raise UnknownError("the episode has ended") from None
        finally:
            session.used = time.monotonic()
        if result.done:
            session.episodes.pop(episode, None)
            await self._end(running)
        running.show(result.observation)
        return result

    def _session(self, name: str) -> Session:
        session = self._sessions.get(name)
        if session is None:
            raise EndedError("there is no such session, or it has ended")
        session.used = time.monotonic()
        return session

    async def _free(self, running: Running) -> None:
        """Free an episode; while a thread performs its turn, it goes on to count, and is freed after that."""
        if running.wait is not None:
            running.wait.cancel()
        performing = running.live.performing
        if running.turn is not None and not performing:
            running.turn.cancel()
        freeing = asyncio.create_task(self._end(running))
        self._freeing.add(freeing)
        freeing.add_done_callback(self._freeing.discard)
        if not performing:
            await freeing

    async def _end(self, running: Running) -> None:
        if running.turn is not None:
            await asyncio.wait({running.turn})
        try:
            await running.live.close()
        finally:
            self._running.discard(running)
