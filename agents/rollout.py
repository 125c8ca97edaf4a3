"""Drives a policy through a vector env: a stream of finished trajectories.

    requests = group_requests(index=17, samples=16, lineage=SeedLineage(run_seed=0, step=3, prompt=5))
    for trajectory in rollout(policy, env, requests, SamplingParams(), vocabulary=policy.vocabulary):
        ...

Whatever slots await the policy are generated for in one batch while the other slots' tools run in the env's
threads, so a slow tool holds up its own episode only. A slot is refilled as soon as its episode ends.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from agents.policy import GenerationRequest, Policy, SamplingParams
from agents.trajectory import SeedLineage, Trajectory
from agents.transcript import MAX_TOKENS, ContextFull, Transcript
from agents.vocabulary import Vocabulary
from deepeyes_env.episode import Observation
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward
from deepeyes_env.runner import StepResult
from deepeyes_env.task import Split, Task
from deepeyes_env.vector import DeepEyesVectorEnv

PATIENCE = 0.1
"""After the first tool has answered, others are waited for up to this share of the last batch's wall time:
a batch of one costs a device nearly as much as a full one, and nobody is held up by more than this share."""


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """One episode to be run.

    Attributes:
        index: The task's index in its split.
        split: The part of the source.
        lineage: Names this draw; all its randomness comes from it, so it must be unique among the requests.
    """

    index: int
    split: Split = "train"
    lineage: SeedLineage = field(default_factory=lambda: SeedLineage(0))


@dataclass(slots=True, eq=False, weakref_slot=True)
class LiveEpisode:
    """An episode that goes on in a slot.

    Attributes:
        request: What was asked for.
        task: Its task.
        transcript: The conversation so far.
        observation: What the policy saw last.
        attempt: From 0; above it after infrastructure failures.
    """

    request: RolloutRequest
    task: Task
    transcript: Transcript
    observation: Observation
    attempt: int = 0


Speak = Callable[[Sequence[LiveEpisode]], Sequence[str | None]]
"""Appends the next turn to the transcript of every given episode and returns the turns' texts for the
environment; None where the turn was cut by the token limit and must not be performed."""


def rollout(
    policy: Policy,
    env: DeepEyesVectorEnv,
    requests: Iterable[RolloutRequest],
    params: SamplingParams,
    *,
    vocabulary: Vocabulary,
    max_tokens: int = MAX_TOKENS,
    think_prefill: bool = True,
    infra_retries: int = 0,
    lockstep: bool = False,
    versions: Mapping[str, str] | None = None,
) -> Iterator[Trajectory]:
    """Run one episode per request and yield each as it finishes.

    A trajectory depends on the policy and its request alone: not on `env.num_envs`, on the order in which
    episodes finish, or on how long tools take (up to the rounding of batched arithmetic; see `lockstep`).

    Args:
        policy: What acts.
        env: Where it acts; no episode may be running in it. Left idle at the end, also when the iterator is
            dropped.
        requests: Taken as slots become free.
        params: How to sample.
        vocabulary: The policy's tokenizer.
        max_tokens: Tokens of a conversation above which nothing more is shown and the episode is truncated.
        think_prefill: Whether every turn but the first starts with a given `<think>` (reference 1.4).
        infra_retries: How often an episode is begun anew when the infrastructure failed; then it is kept as
            `infra_failed`.
        lockstep: Wait for all tools before every batch. Slower, but batches no longer depend on the clock,
            so a repeated run gives the same numbers to the last bit.
        versions: Stored with every trajectory.

    Yields:
        Finished trajectories in order of completion; see `in_order`.

    Raises:
        ContextFull: A task's prompt alone exceeds `max_tokens`.
        TranscriptError: The policy sampled what it must not.
    """

    def speak(batch: Sequence[LiveEpisode]) -> list[str | None]:
        samples = policy.generate([_generation_request(one) for one in batch], params)
        texts = [one.transcript.append_sample(sample) for one, sample in zip(batch, samples, strict=True)]
        return [
            None if sample.finish_reason == "length" else text
            for sample, text in zip(samples, texts, strict=True)
        ]

    yield from drive(
        env,
        requests,
        speak,
        vocabulary=vocabulary,
        max_tokens=max_tokens,
        think_prefill=think_prefill,
        infra_retries=infra_retries,
        lockstep=lockstep,
        versions=versions,
    )


def drive(
    env: DeepEyesVectorEnv,
    requests: Iterable[RolloutRequest],
    speak: Speak,
    *,
    vocabulary: Vocabulary,
    max_tokens: int = MAX_TOKENS,
    think_prefill: bool = True,
    infra_retries: int = 0,
    lockstep: bool = False,
    versions: Mapping[str, str] | None = None,
) -> Iterator[Trajectory]:
    """Keep the slots of `env` busy with `requests`, whoever speaks; see `rollout` for the arguments."""
    slots = _Slots(env, vocabulary, max_tokens, think_prefill, infra_retries, dict(versions or {}))
    waiting = iter(requests)
    try:
        while True:
            slots.refill(waiting)
            if not slots.live:
                return
            yield from slots.speak(speak)
            yield from slots.collect(wait_for_all=lockstep)
    finally:
        slots.clear()


class _Slots:
    """Which slot is in which state: idle (not live), due (the policy's turn), or else its tool runs."""

    def __init__(
        self,
        env: DeepEyesVectorEnv,
        vocabulary: Vocabulary,
        max_tokens: int,
        think_prefill: bool,
        infra_retries: int,
        versions: dict[str, str],
    ) -> None:
        self.env = env
        self.vocabulary = vocabulary
        self.max_tokens = max_tokens
        self.think_prefill = think_prefill
        self.infra_retries = infra_retries
        self.versions = versions
        self.live: dict[int, LiveEpisode] = {}
        self.due: list[int] = []
        self.generation_seconds = 0.0

    def refill(self, waiting: Iterator[RolloutRequest]) -> None:
        """Begin an episode in every idle slot, as long as there are requests."""
        for slot in range(self.env.num_envs):
            if slot not in self.live and (request := next(waiting, None)) is not None:
                self.begin(slot, request)

    def begin(self, slot: int, request: RolloutRequest, attempt: int = 0) -> None:
        """Begin the episode that `request` asks for."""
        observation, info = self.env.begin(
            slot, request.index, split=request.split, seed=session_seed(request.lineage)
        )
        task = self.env.episode(slot).task
        transcript = Transcript(
            self.vocabulary,
            name=task.id,
            max_tokens=self.max_tokens,
            max_images=self.env.config.max_images,
            think_prefill=self.think_prefill,
        )
        self.live[slot] = LiveEpisode(request, task, transcript, observation, attempt)
        transcript.start(info["system_prompt"], observation)
        self.due.append(slot)

    def speak(self, speak: Speak) -> list[Trajectory]:
        """Take the turn of every slot that is due and have it performed."""
        slots, self.due = sorted(self.due), []
        if not slots:
            return []
        started = time.monotonic()
        texts = speak([self.live[slot] for slot in slots])
        self.generation_seconds = time.monotonic() - started
        turns = list(zip(slots, texts, strict=True))
        for slot, text in turns:
            if text is not None:
                self.env.submit(slot, text)
        return [self.cut(slot) for slot, text in turns if text is None]

    def collect(self, *, wait_for_all: bool) -> list[Trajectory]:
        """Take in what was performed: at least one slot, and those that follow within the patience."""
        finished: list[Trajectory] = []
        results = self.env.ready()
        deadline = time.monotonic() + PATIENCE * self.generation_seconds
        while results:
            ended = [self.take(slot, result) for slot, result in results]
            finished += [one for one in ended if one is not None]
            results = self.env.ready(None if wait_for_all else max(0.0, deadline - time.monotonic()))
        return finished

    def take(self, slot: int, result: StepResult) -> Trajectory | None:
        """Continue or end the episode in `slot`."""
        live = self.live[slot]
        live.transcript.annotate(result.info["action"], result.info.get("tool_ok"))
        if result.done:
            if result.info["outcome"] == Outcome.INFRA_FAILED and live.attempt < self.infra_retries:
                self.begin(slot, live.request, live.attempt + 1)
                return None
            return self.end(slot, result)
        try:
            live.transcript.append_observation(result.observation)
        except ContextFull:
            return self.end(slot, self.env.abandon(slot))
        live.observation = result.observation
        self.due.append(slot)
        return None

    def cut(self, slot: int) -> Trajectory:
        """End an episode whose last turn ran into the token limit; the turn is not performed."""
        self.live[slot].transcript.annotate("malformed")
        return self.end(slot, self.env.abandon(slot))

    def end(self, slot: int, result: StepResult) -> Trajectory:
        """The finished record; the slot is idle from here on."""
        live, info = self.live.pop(slot), result.info
        return live.transcript.to_trajectory(
            family=live.task.family,
            question=live.task.question,
            reference=live.task.answer.text,
            answer=info["answer"] or None,
            reward=Reward(info["accuracy"], info["format"], info["total"]),
            outcome=Outcome(info["outcome"]),
            lineage=live.request.lineage,
            versions=self.versions,
        )

    def clear(self) -> None:
        """Leave no episode running, whatever ended the rollout."""
        in_flight = True
        while in_flight:
            # Whatever a tool still raises is of no interest: the rollout has ended, by an error of its own or
            # because nobody takes its trajectories any more.
            with contextlib.suppress(Exception):
                in_flight = bool(self.env.ready())
        for slot in self.live:
            if self.env.episode(slot).outcome is None:
                self.env.abandon(slot)


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


def in_order(trajectories: Iterable[Trajectory], requests: Sequence[RolloutRequest]) -> list[Trajectory]:
    """Bring finished trajectories into the order in which they were asked for.

    Raises:
        ValueError: A request has no trajectory, or two requests share a lineage.
    """
    found = {one.lineage: one for one in trajectories}
    wanted = [request.lineage for request in requests]
    if len(set(wanted)) < len(wanted):
        raise ValueError("two requests share a lineage; give every draw its own")
    missing = [lineage for lineage in wanted if lineage not in found]
    if missing:
        raise ValueError(f"no trajectory for {missing[0]} ({len(missing)} of {len(wanted)} are missing)")
    return [found[lineage] for lineage in wanted]


def turn_seed(lineage: SeedLineage, turn: int) -> int:
    """The seed of one turn's sampling, below 2^63.

    Args:
        lineage: Names the draw.
        turn: From 0.
    """
    return int(_stream(lineage, 0, turn).generate_state(1, np.uint64)[0] >> np.uint64(1))


def session_seed(lineage: SeedLineage) -> int:
    """The seed of an episode's sandbox session, below 2^31."""
    return int(_stream(lineage, 1).generate_state(1, np.uint32)[0] >> np.uint32(1))


def _stream(lineage: SeedLineage, *key: int) -> np.random.SeedSequence:
    entropy = (lineage.run_seed, lineage.step, lineage.prompt, lineage.sample)
    return np.random.SeedSequence(entropy, spawn_key=key)


def _generation_request(one: LiveEpisode) -> GenerationRequest:
    return one.transcript.to_request(turn_seed(one.request.lineage, len(one.transcript.turns)))
