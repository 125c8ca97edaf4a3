"""Where a step's rollouts come from: sampled on the spot, or ahead, while the steps before are trained.

With `staleness = k`, step `s` is sampled with the weights that `s - k` steps have trained, the first `k`
steps with those at the beginning. So while the trainer updates on one step, the policy samples the next ones.
With `k = 1`:

    policy     samples 0    samples 1    samples 2    samples 3
    trainer                 trains 0     trains 1     trains 2
    weights    0            0            1            2             (steps that trained the policy's)

The lag is fixed, not what the clock makes of it, so a run repeats like any other. A checkpoint holds the
steps that have been sampled and not yet trained, because the weights that sampled them are gone; it waits for
those that are being sampled, and so does Ctrl-C.
"""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from agents.event_loop import run as run_in_loop
from agents.policy import Policy
from agents.transformers_policy import TransformersPolicy
from agents.vllm.loop import BackgroundLoop
from deepeyes_env.errors import ConfigError
from trainers.config import DapoConfig
from trainers.dapo.group_rollout import Sampler, SamplingStopped
from trainers.dapo.sampling import Sampled
from trainers.lora import plain
from trainers.runs.progress import Progress
from trainers.runs.run import Run


class Rollouts(Protocol):
    """Where the rollouts of a run's steps come from."""

    def take(self, step: int) -> Sampled:
        """The rollouts of the step that trains next; called for every step in turn.

        Raises:
            Interrupted: A stop was requested.
            NothingScored: The infrastructure failed in every rollout of this step, or of one ahead of it.
        """
        ...


@dataclass(frozen=True, slots=True)
class SamplingNow:
    """Samples a step with the weights of now, when it is asked for.

    Attributes:
        sampler: Samples.
        hand_over: Gives the policy the weights of now.
        run: The run.
    """

    sampler: Sampler
    hand_over: Callable[[], None]
    run: Run

    def take(self, step: int) -> Sampled:
        """See `Rollouts.take`."""
        self.hand_over()
        progress = self.run.progress
        try:
            return run_in_loop(self.sampler.sample(step, step, progress.drawn, progress.carried))
        except SamplingStopped:
            self.run.interrupt()


class SamplingAhead:
    """Samples in a thread of its own, ahead of the trainer.

    Args:
        sampler: Samples, with a policy that has weights of its own.
        staleness: Steps that it is ahead, at least 1.
        hand_over: Gives the policy the weights of now, while it is idle.
        model: The model in training.
        run: The run; gives what an earlier part of it had sampled ahead.
    """

    def __init__(
        self, sampler: Sampler, staleness: int, hand_over: Callable[[], None], model: Any, run: Run
    ) -> None:
        self._sampler = sampler
        self._staleness = staleness
        self._hand_over = hand_over
        self._model = model
        self._run = run
        self._spare: list[Any] = []
        self._jobs = deque(_Job(_finished(sampled), sampled.weights) for sampled in run.progress.ahead)
        self._loop = BackgroundLoop("sampling-ahead")

    def take(self, step: int) -> Sampled:
        """See `Rollouts.take`; afterwards the policy is at work for the steps to come."""
        for following in range(step + len(self._jobs), step + self._staleness):
            self._begin(following, weights=step)
        try:
            self._raise_failures()
            sampled = self._jobs[0].result.result()
        except SamplingStopped:
            self._run.interrupt()
        if self._run.ranks.any(self._run.stop.made):
            self._run.interrupt()
        self._begin(step + self._staleness, weights=step)
        self._jobs.popleft()
        return sampled

    def in_flight(self) -> tuple[Sampled, ...]:
        """Wait until the policy is idle.

        Returns:
            What it has sampled for the next steps with weights that the trainer no longer has; nothing from a
            step on that failed, which `take` will raise. A resumed run samples that step with newer weights.
        """
        done: list[Sampled] = []
        for job in self._jobs:
            if job.weights == self._run.progress.step:
                break
            try:
                done.append(job.result.result())
            except Exception as error:
                if not self._run.ranks.share(error):
                    raise
                break
        return tuple(done)

    def close(self) -> None:
        """Give up what is being sampled, and end the thread."""
        for job in self._jobs:
            job.result.cancel()
        self._loop.block(_others_ended())
        self._loop.stop()

    def _begin(self, step: int, weights: int) -> None:
        """Have a step sampled with the weights of now, which `weights` steps have trained."""
        if step >= self._sampler.config.steps:
            return
        snapshot = None
        if self._staleness == 1:
            # Idle: the only step that it was to be ahead has been taken.
            self._hand_over()
        else:
            snapshot = self._snapshot()
        before = self._jobs[-1].result if self._jobs else self._run.progress
        job = self._loop.submit(self._sample(step, weights, before, snapshot))
        self._jobs.append(_Job(job, weights))

    async def _sample(
        self, step: int, weights: int, before: Future[Sampled] | Progress, snapshot: Any
    ) -> Sampled:
        """Go on from what the step before has drawn and left over; fail as it failed."""
        if isinstance(before, Progress):
            drawn, carried = before.drawn, before.carried
        else:
            sampled = await asyncio.wrap_future(before)
            drawn, carried = sampled.drawn, sampled.carried
        if snapshot is not None:
            await self._sampler.policy.update_weights(snapshot)
            self._spare.append(snapshot)
        return await self._sampler.sample(step, weights, drawn, carried)

    def _snapshot(self) -> Any:
        """The weights of now in a model that training leaves alone."""
        with plain(self._model):
            if not self._spare:
                return copy.deepcopy(self._model)
            snapshot = self._spare.pop()
            snapshot.load_state_dict(self._model.state_dict())
            return snapshot

    def _raise_failures(self) -> None:
        """Raise what went wrong in any step ahead; later it would only have cost more updates.

        In every process: what one knows already, the others wait for.
        """
        if self._run.ranks.any(any(_failed(job.result) for job in self._jobs)):
            for job in self._jobs:
                job.result.result()


@dataclass(frozen=True, slots=True)
class _Job:
    """A step that is sampled or has been, and how many steps trained the weights that do it."""

    result: Future[Sampled]
    weights: int


@contextmanager
def open_rollouts(
    sampler: Sampler, staleness: int, hand_over: Callable[[], None], model: Any, run: Run
) -> Iterator[Rollouts]:
    """The rollouts of a run.

    Args:
        sampler: Samples; if ahead, with a policy that has weights of its own.
        staleness: Steps to sample ahead; 0 for none.
        hand_over: Gives the policy the weights of now, while it is idle.
        model: The model in training.
        run: The run; its checkpoints take in what is sampled ahead.
    """
    if not staleness:
        yield SamplingNow(sampler, hand_over, run)
        return
    ahead = SamplingAhead(sampler, staleness, hand_over, model, run)
    run.in_flight = ahead.in_flight
    try:
        yield ahead
    finally:
        ahead.close()


def check_ahead(config: DapoConfig, model: Any, policy: Policy, processes: int) -> None:
    """Refuse to sample ahead where it cannot be.

    Args:
        config: Settings.
        model: The model in training.
        policy: What samples.
        processes: Processes that train.

    Raises:
        ConfigError: The policy is the very model that trains meanwhile, or several processes train and are to
            be more than one step ahead: then each would hand its snapshot to the servers that all share.
    """
    if not config.staleness:
        return
    if isinstance(policy, TransformersPolicy) and policy.model is model:
        raise ConfigError(
            f"staleness = {config.staleness}: the policy samples while the model trains, so it needs weights "
            "of its own; make it with `own_policy`, sample with vLLM, or set staleness = 0"
        )
    if processes > 1 and config.staleness > 1:
        raise ConfigError(
            f"staleness = {config.staleness}: {processes} training processes sample one step ahead at most; "
            "set staleness = 1"
        )


def _failed(result: Future[Sampled]) -> bool:
    return result.done() and result.exception() is not None


def _finished(sampled: Sampled) -> Future[Sampled]:
    future: Future[Sampled] = Future()
    future.set_result(sampled)
    return future


async def _others_ended() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)
