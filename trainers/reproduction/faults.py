"""Failures of the infrastructure at a known rate, and a trainer that takes them for the policy's fault.

Both are compositions around the real parts: a sandbox whose cells fail, and an environment that reports such
an episode as one the policy has failed. The real trainer masks them and cannot be told to do otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image

from deepeyes_env.async_env import AsyncEpisode, DeepEyesAsyncEnv
from deepeyes_env.outcome import Outcome
from deepeyes_env.runner import StepResult
from deepeyes_env.sandbox.base import CellResult, Sandbox, SandboxError, Session
from deepeyes_env.task import Split


@dataclass(frozen=True, slots=True)
class FaultySandbox:
    """A sandbox whose every cell fails with a given probability, drawn from the session's seed.

    Attributes:
        inner: Runs the other cells.
        rate: Probability of a failure per cell.
    """

    inner: Sandbox
    rate: float

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> Session:
        """Open a session; see `Sandbox`."""
        return _FaultySession(self.inner.open(images, seed), self.rate, random.Random(f"faults/{seed}"))

    def close(self) -> None:
        """Close the inner sandbox."""
        self.inner.close()


@dataclass(frozen=True, slots=True)
class _FaultySession:
    inner: Session
    rate: float
    rng: random.Random

    def run(self, code: str) -> CellResult:
        if self.rng.random() < self.rate:
            raise SandboxError("a failure injected by the experiment")
        return self.inner.run(code)

    def close(self) -> None:
        self.inner.close()


class BlamingEnv(DeepEyesAsyncEnv):
    """Reports episodes that the infrastructure has ended as truncated ones, which earn nothing."""

    async def begin(self, index: int, split: Split = "train", seed: int = 0) -> AsyncEpisode:
        """Begin an episode; see `DeepEyesAsyncEnv`."""
        episode = await super().begin(index, split, seed)
        return _BlamingEpisode(self, episode._runner, episode.observation, episode.info)


class _BlamingEpisode(AsyncEpisode):
    async def step(self, text: str, timeout: float | None = None) -> StepResult:
        result = await super().step(text, timeout)
        if result.info.get("outcome") != str(Outcome.INFRA_FAILED):
            return result
        return replace(result, info=result.info | {"outcome": str(Outcome.TRUNCATED)})
