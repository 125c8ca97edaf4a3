"""Rollouts: many episodes at once on one event loop, a stream of finished trajectories.

    requests = group_requests(index=17, samples=16, lineage=SeedLineage(run_seed=0, step=3, prompt=5))
    for trajectory in rollout(policy, env, requests, SamplingParams()):
        ...

Every episode is a coroutine: it awaits its turn from the policy and its tool from the environment. So while
one waits for a tool, the policy generates for the others, and whoever ends makes room for the next request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from agents.ending import Ending
from agents.episode_clock import EpisodeClock, OutOfTime
from agents.event_loop import iterate
from agents.lockstep import Lockstep
from agents.policy import Policy, PolicyError, SamplingParams
from agents.rollout_stats import RolloutStats
from agents.speaker import (
    LiveEpisode,
    PolicySpeaker,
    RolloutRequest,
    Speaker,
    session_seed,
)
from agents.trajectory import SeedLineage, Trajectory
from agents.transcript import MAX_TOKENS, ContextFull, Transcript
from deepeyes_env.async_env import AsyncEpisode, DeepEyesAsyncEnv, ToolTimeout
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import parse_turn
from deepeyes_env.remote.error import RemoteError
from deepeyes_env.runner import ACTION_NAMES, StepResult
from deepeyes_env.task import Split

WINDOW = 8
"""Requests begun ahead of the oldest unfinished one, in multiples of the episodes at once: what a straggler
may hold back in memory."""


@dataclass(frozen=True, slots=True)
class RolloutLimits:
    """What an episode may use up, besides the environment's own limits (`EnvConfig.max_turns`).

    Attributes:
        max_tokens: Tokens of a conversation above which nothing more is shown and the episode is truncated.
        episode_seconds: Wall time after which an episode is truncated; None for no limit. It stands still
            while a chat API must not be asked yet.
        tool_seconds: Wall time after which a turn that is performed counts as a failure of the
            infrastructure; None for no limit. The sandbox has limits of its own, and search engines retries.
    """

    max_tokens: int = MAX_TOKENS
    episode_seconds: float | None = None
    tool_seconds: float | None = None


NO_LIMITS = RolloutLimits()
"""The reference's token limit and no wall-clock ones."""


def rollout(
    policy: Policy,
    env: DeepEyesAsyncEnv,
    requests: Iterable[RolloutRequest],
    params: SamplingParams,
    *,
    think_prefill: bool = True,
    limits: RolloutLimits = NO_LIMITS,
    infra_retries: int = 0,
    lockstep: bool = False,
    stats: RolloutStats | None = None,
    versions: Mapping[str, str] | None = None,
) -> Generator[Trajectory, None, None]:
    """Run one episode per request; `stream` for callers without an event loop.

    Args:
        policy: What acts.
        env: Where it acts.
        requests: Taken as episodes end.
        params: How to sample.
        think_prefill: Whether every turn but the first starts with a given `<think>` (reference 1.4).
        limits: See `stream`, also for the rest.
        infra_retries: How often an episode is begun anew.
        lockstep: Wait for all tools before every batch.
        stats: Live figures.
        versions: Stored with every trajectory.

    Yields:
        Finished trajectories in the order of the requests.

    Raises:
        ContextFull: A task's prompt alone exceeds the token limit.
        TranscriptError: The policy sampled what it must not.
    """
    speaker = PolicySpeaker(policy, params, think_prefill=think_prefill)
    yield from iterate(
        stream(
            speaker,
            env,
            requests,
            limits=limits,
            infra_retries=infra_retries,
            lockstep=lockstep,
            stats=stats,
            versions=versions,
        )
    )


async def stream(
    speaker: Speaker,
    env: DeepEyesAsyncEnv,
    requests: Iterable[RolloutRequest],
    *,
    limits: RolloutLimits = NO_LIMITS,
    infra_retries: int = 0,
    lockstep: bool = False,
    stats: RolloutStats | None = None,
    versions: Mapping[str, str] | None = None,
) -> AsyncGenerator[Trajectory, None]:
    """Run one episode per request, `env.num_envs` at once.

    A trajectory depends on the speaker and its request alone: not on how many run at once, on the order in
    which episodes finish, or on how long tools take (up to the rounding of batched arithmetic; see
    `lockstep`). Wall-clock limits are the exception, which is why lockstep does not go with them.

    Args:
        speaker: Who takes the turns.
        env: Where the episodes run. Left without one, also when the iterator is dropped.
        requests: Taken as episodes end, at most `WINDOW * env.num_envs` ahead of the oldest unfinished one.
        limits: What an episode may use up.
        infra_retries: How often an episode is begun anew when sandbox, search, judge or the policy's server
            failed; then it is kept as `infra_failed`. One that could not even be begun is raised in the end.
        lockstep: Wait for all tools before every batch. Slower, but batches no longer depend on the clock,
            so a repeated run gives the same numbers to the last bit.
        stats: Counts what happens.
        versions: Stored with every trajectory.

    Yields:
        Finished trajectories in the order of the requests. Before an error come all that have been finished:
        those that are unfinished then are left out, those that are finished meanwhile are last.

    Raises:
        RemoteError: An episode could not be begun, however often it was tried.
        ContextFull: A task's prompt alone exceeds the token limit, or is too long for a service's model.
        TranscriptError: The policy sampled what it must not.
        ValueError: Lockstep with a wall-clock limit.
    """
    if lockstep and (limits.episode_seconds is not None or limits.tool_seconds is not None):
        raise ValueError("lockstep repeats a run to the bit; wall-clock limits depend on the clock: drop one")
    driver = _Driver(
        speaker,
        env,
        enumerate(requests),
        limits,
        infra_retries,
        Lockstep(env.num_envs) if lockstep else None,
        RolloutStats() if stats is None else stats,
        dict(versions or {}),
    )
    crew = [asyncio.create_task(driver.work()) for _ in range(env.num_envs)]
    try:
        async for trajectory in driver.finished(len(crew)):
            yield trajectory
    finally:
        for task in crew:
            task.cancel()
        await asyncio.gather(*crew, return_exceptions=True)


class _Driver:
    """What the coroutines of one rollout share."""

    def __init__(
        self,
        speaker: Speaker,
        env: DeepEyesAsyncEnv,
        requests: Iterator[tuple[int, RolloutRequest]],
        limits: RolloutLimits,
        infra_retries: int,
        lockstep: Lockstep | None,
        stats: RolloutStats,
        versions: dict[str, str],
    ) -> None:
        self.speaker = speaker
        self.env = env
        self.requests = requests
        self.limits = limits
        self.infra_retries = infra_retries
        self.lockstep = lockstep
        self.stats = stats
        self.versions = versions
        self._window = asyncio.Semaphore(WINDOW * env.num_envs)
        self._done: asyncio.Queue[tuple[int, Trajectory] | BaseException | None] = asyncio.Queue()

    async def finished(self, crew: int) -> AsyncIterator[Trajectory]:
        """The trajectories in order; ends with the crew's last member, or with the first error of any.

        Before an error come those that waited for an older one, and those that are finished meanwhile.
        """
        early: dict[int, Trajectory] = {}
        following = 0
        while crew:
            item = await self._done.get()
            if item is None:
                crew -= 1
            elif isinstance(item, BaseException):
                # What others have finished, and perhaps paid for, does not get lost: not what stands behind
                # the error, nor what comes while the consumer takes that.
                for _ in range(2):
                    self._take_finished(early)
                    for number in sorted(early):
                        yield early.pop(number)
                raise item
            else:
                early[item[0]] = item[1]
            while following in early:
                self._window.release()
                yield early.pop(following)
                following += 1

    def _take_finished(self, early: dict[int, Trajectory]) -> None:
        """Add what has been finished up to now."""
        with suppress(asyncio.QueueEmpty):
            while True:
                if isinstance(item := self._done.get_nowait(), tuple):
                    early[item[0]] = item[1]

    async def work(self) -> None:
        """Run episodes, one after the other, until there are no more requests."""
        try:
            while (taken := await self._take()) is not None:
                number, request = taken
                self._done.put_nowait((number, await self._run(number, request)))
            if self.lockstep:
                self.lockstep.leave()
        except BaseException as error:
            # A cancellation too, whoever's it is: the consumer must not wait for a member that is gone.
            self._done.put_nowait(error)
            raise
        self._done.put_nowait(None)

    async def _take(self) -> tuple[int, RolloutRequest] | None:
        # In lockstep nobody waits for the consumer, whose pace would decide who is in a batch.
        if self.lockstep is None:
            await self._window.acquire()
        return next(self.requests, None)

    async def _run(self, number: int, request: RolloutRequest) -> Trajectory:
        for attempt in range(self.infra_retries + 1):
            again = attempt < self.infra_retries
            episode = await self._begin(request, again)
            if episode is None:
                continue
            trajectory = await self._attempt(number, request, episode, attempt)
            if trajectory.outcome is not Outcome.INFRA_FAILED:
                break
            self.stats.wasted_tokens += int(trajectory.loss_mask.sum())
            self.stats.retries += again
        self.stats.episodes += 1
        return trajectory

    async def _begin(self, request: RolloutRequest, again: bool) -> AsyncEpisode | None:
        """Begin an episode; None if its host failed and is to be tried again.

        Raises:
            RemoteError: The host failed for the last time; without a task there is nothing to be kept.
        """
        try:
            return await self.env.begin(request.index, request.split, session_seed(request.lineage))
        except RemoteError as error:
            if not again:
                raise
            self.stats.failures.append(f"task {request.index} of {request.split}: {error}")
            self.stats.retries += 1
            return None

    async def _attempt(
        self, number: int, request: RolloutRequest, episode: AsyncEpisode, attempt: int
    ) -> Trajectory:
        try:
            live = self._open(request, episode, attempt)
            ending = await self._converse(number, live, episode)
        finally:
            await episode.close()
        return ending.record(live.transcript, live.task, request.lineage, self.versions)

    def _open(self, request: RolloutRequest, episode: AsyncEpisode, attempt: int) -> LiveEpisode:
        transcript = Transcript(
            self.speaker.vocabulary,
            name=episode.task.id,
            max_tokens=self.limits.max_tokens,
            max_images=self.env.config.max_images,
            think_prefill=self.speaker.think_prefill,
        )
        system_prompt = episode.info["system_prompt"]
        transcript.start(system_prompt, episode.observation)
        clock = EpisodeClock(self.limits.episode_seconds)
        return LiveEpisode(
            request, episode.task, system_prompt, transcript, episode.observation, attempt, clock
        )

    async def _converse(self, number: int, live: LiveEpisode, episode: AsyncEpisode) -> Ending:
        """Turn after turn, until the episode ends."""
        while True:
            if self.lockstep:
                await self.lockstep.turn(number)
            try:
                text = await self._speak(live)
                if text is None:
                    live.transcript.annotate("malformed")
                    return Ending.of(await episode.abandon())
                result = await self._perform(live, episode, text)
                live.transcript.annotate(result.info["action"], result.info.get("tool_ok"))
                if result.done:
                    return self._ended(episode, result)
                live.transcript.append_observation(result.observation)
            except ContextFull:
                if not live.transcript.turns:  # as for a prompt that is counted here: no policy could answer
                    raise
                return Ending.of(await episode.abandon())
            except OutOfTime:
                return Ending(Outcome.TRUNCATED)
            except (PolicyError, ToolTimeout) as error:
                self.stats.failures.append(f"{live.task.id}: {error}")
                return Ending(Outcome.INFRA_FAILED)
            live.observation = result.observation

    async def _speak(self, live: LiveEpisode) -> str | None:
        with self.stats.generation():
            text = await live.clock.within(self.speaker.speak(live))
        turn = live.transcript.turns[-1]
        self.stats.turns += 1
        self.stats.sampled_tokens += turn.end - turn.start
        return text

    async def _perform(self, live: LiveEpisode, episode: AsyncEpisode, text: str) -> StepResult:
        # What a turn that is not performed in time was, nobody will tell.
        live.transcript.annotate(ACTION_NAMES[type(parse_turn(text))])
        with self.stats.performance():
            result = await live.clock.within(episode.step(text, self.limits.tool_seconds))
        self.stats.tool_turns += 1
        self.stats.tool_seconds += episode.last_seconds
        return result

    def _ended(self, episode: AsyncEpisode, result: StepResult) -> Ending:
        ending = Ending.of(result)
        if ending.outcome is Outcome.INFRA_FAILED:
            self.stats.failures += [f"{result.info['task_id']}: {reason}" for reason in episode.failures]
        return ending


def group_requests(
    index: int, samples: int, lineage: SeedLineage, split: Split = "train"
) -> list[RolloutRequest]:
    """The requests of one group: `samples` draws of the same task.

    Args:
        index: The task's index.
        samples: Size of the group.
        lineage: Names the group; its `sample` is counted up from what it is.
        split: The part of the source.
    """
    return [
        RolloutRequest(index, split, replace(lineage, sample=lineage.sample + number))
        for number in range(samples)
    ]
