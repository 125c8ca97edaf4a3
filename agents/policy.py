"""What a policy is: token ids and images in, sampled token ids with their log-probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from agents.trajectory import ImageSpan
from deepeyes_env.images import EncodedImage


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How to sample.

    Attributes:
        temperature: 0 is greedy; otherwise logits are divided by it. Training samples at 1.0.
        max_tokens: Tokens per turn (reference 1.5: 8192).
        stop: Strings that end the turn and stay in it.
    """

    temperature: float = 1.0
    max_tokens: int = 8192
    stop: tuple[str, ...] = ("</code>", "</tool_call>", "</answer>")


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One conversation that awaits the policy's next turn.

    Attributes:
        input_ids: int64 `[T]`, image placeholders expanded.
        images: The images in order of appearance, exactly as they are to be seen.
        image_spans: Their spans in `input_ids`.
        seed: Seeds this request's sampling; the sample does not depend on what else is in the batch.
    """

    input_ids: npt.NDArray[np.int64]
    images: tuple[EncodedImage, ...]
    image_spans: tuple[ImageSpan, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled turn.

    Attributes:
        token_ids: int64 `[N]`, exactly as sampled, the end-of-turn token included if it was sampled.
        logprobs: float32 `[N]` under the sampling distribution at temperature 1 with banned tokens removed.
        text: The decoded text without the end-of-turn token; for parsing only, never encoded again.
        finish_reason: `stop` (stop string or end of turn) or `length`.
    """

    token_ids: npt.NDArray[np.int64]
    logprobs: npt.NDArray[np.float32]
    text: str
    finish_reason: str


@runtime_checkable
class Policy(Protocol):
    """A policy on token ids."""

    def generate(self, requests: Sequence[GenerationRequest], params: SamplingParams) -> list[Sample]:
        """Sample one turn for each request, in order."""
        ...
