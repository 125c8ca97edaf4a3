"""Where the wall time of a DAPO step goes: a policy that really samples, the real environment and sandbox."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from agents.policy import GenerationRequest, Sample, SamplingParams
from agents.transformers_policy import TransformersPolicy
from benchmarks.speed.mouthpiece import SAY, Load, Looks, Mouthpiece
from benchmarks.speed.record import Measure, Record
from benchmarks.speed.rollout_model import tiny
from deepeyes_env.async_env import AsyncEpisode, DeepEyesAsyncEnv
from deepeyes_env.task import Split
from trainers.config import DapoConfig
from trainers.dapo.train import train_dapo
from trainers.runs.metrics import StepReport

SHARE = Measure("share of a DAPO step", "%", 100.0)

GENERATION, ENVIRONMENT, SYNC = PHASES = ("generation", "environment", "weight sync")

REWARDING = "grade"
"""What the environment's telemetry calls the reward; its other kinds are tools, sessions and beginnings."""


class PhaseClock:
    """Splits wall time among overlapping kinds of work: what comes first in `PHASES` has it.

    So a tool costs what the policy waits for it, and nothing while other turns are being sampled.

    Attributes:
        seconds: So far, by phase.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._at_work = dict.fromkeys(PHASES, 0)
        self._since = time.perf_counter()

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """One piece of work; all from one event loop at a time."""
        self._change(phase, +1)
        try:
            yield
        finally:
            self._change(phase, -1)

    def _change(self, phase: str, by: int) -> None:
        now = time.perf_counter()
        leading = next((one for one in PHASES if self._at_work[one]), None)
        if leading is not None:
            self.seconds[leading] += now - self._since
        self._since = now
        self._at_work[phase] += by


class Undecided(Mouthpiece):
    """Looks with code, then gives the right answer in about half of the episodes."""

    def __init__(self, policy: TransformersPolicy, load: Load, clock: PhaseClock) -> None:
        super().__init__(policy, load)
        self._clock = clock

    async def generate(self, request: GenerationRequest, params: SamplingParams) -> Sample:
        """Sample a turn; what the environment hears of an answer depends on the seed."""
        with self._clock(GENERATION):
            sample = await super().generate(request, params)
        wrong = sample.text in SAY and request.seed // 7 % 2
        return replace(sample, text=sample.text.replace("7", "8")) if wrong else sample

    async def update_weights(self, model: Any) -> None:
        """Hand on."""
        with self._clock(SYNC):
            await super().update_weights(model)


class WatchedEnv(DeepEyesAsyncEnv):
    """Tells when it is at work: while any episode begins or performs a turn."""

    def __init__(self, num_envs: int, clock: PhaseClock, **settings: Any) -> None:
        super().__init__(num_envs, **settings)
        self._clock = clock

    async def begin(self, index: int, split: Split = "train", seed: int = 0) -> AsyncEpisode:
        """Begin an episode whose turns are counted too."""
        with self._clock(ENVIRONMENT):
            episode = await super().begin(index, split, seed)
        step = episode.step

        async def counted(text: str, timeout: float | None = None) -> Any:
            with self._clock(ENVIRONMENT):
                return await step(text, timeout)

        episode.step = counted  # type: ignore[method-assign]
        return episode


def measure_shares(config: DapoConfig, load: Load, record: Record) -> None:
    """Run DAPO and say where each step's time went; the first step only warms up.

    Args:
        config: The run.
        load: Of every episode; the sandbox takes the time it takes.
        record: Takes the samples.
    """
    qwen, clock = tiny(), PhaseClock()
    policy = Undecided(TransformersPolicy(qwen.model, qwen.tokenizer), load, clock)
    episodes = config.prompts_per_step * config.group_size
    env = WatchedEnv(episodes, clock, tasks=Looks(load.side), prompt="minimal")
    told = [_state(clock, env)]

    def on_step(report: StepReport) -> None:
        told.append(_state(clock, env))
        if report.step == 1:
            return
        spent = {name: told[-1][name] - told[-2][name] for name in told[-1]}
        for name, seconds in _phases(spent, report.seconds["update"]).items():
            record.add(SHARE, name, seconds / spent["wall"])

    try:
        train_dapo(config, qwen.model, qwen.tokenizer, env, policy=policy, on_step=on_step)
    finally:
        env.close()


def _state(clock: PhaseClock, env: WatchedEnv) -> dict[str, float]:
    performed = env.telemetry.seconds
    return {
        **clock.seconds,
        "wall": time.perf_counter(),
        "graded": performed[REWARDING],
        "performed": float(sum(performed.values())),
    }


def _phases(spent: dict[str, float], updating: float) -> dict[str, float]:
    """Seconds by phase. Many episodes perform at once: their wall time is split as their work is."""
    rewarding = spent[ENVIRONMENT] * spent["graded"] / max(spent["performed"], 1e-9)
    phases = {
        GENERATION: spent[GENERATION],
        "tools": spent[ENVIRONMENT] - rewarding,
        "reward": rewarding,
        "update": updating,
        SYNC: spent[SYNC],
    }
    return phases | {"the rest": spent["wall"] - sum(phases.values())}
