"""What a policy is: token ids and images in, sampled token ids with their log-probabilities out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from agents.trajectory import ImageSpan
from agents.vocabulary import Vocabulary
from deepeyes_env.errors import require
from deepeyes_env.images import EncodedImage


class PolicyError(RuntimeError):
    """The policy's infrastructure failed: a server that died, a request that was refused for lack of room.

    Never the policy's own fault: the episode can be begun anew, and else ends as `infra_failed`.
    """


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

    def __post_init__(self) -> None:
        require(0 <= self.temperature < math.inf, "temperature", self.temperature, "0 or more, and finite")
        require(self.max_tokens >= 1, "max_tokens", self.max_tokens, "at least 1")


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One conversation that awaits the policy's next turn.

    Attributes:
        input_ids: int64 `[T]`, image placeholders expanded.
        images: The images in order of appearance, exactly as they are to be seen.
        image_spans: Their spans in `input_ids`.
        seed: Seeds this request's sampling; the sample does not depend on what else is in the batch.
        known: How much of the beginning the policy has been through before: the end of its own last turn, 0
            at the first one. Where to look for kept keys and values, or for a server that has them.
        conversation: Names the episode, so that its turns can be sent to the same server.
    """

    input_ids: npt.NDArray[np.int64]
    images: tuple[EncodedImage, ...]
    image_spans: tuple[ImageSpan, ...]
    seed: int
    known: int = 0
    conversation: str = ""


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
    """A policy on token ids.

    Every request is a coroutine of its own; the policy batches whatever awaits it. All calls come from one
    event loop at a time.

    Attributes:
        vocabulary: The tokenizer by its names; transcripts are written with it.
    """

    vocabulary: Vocabulary

    async def generate(self, request: GenerationRequest, params: SamplingParams) -> Sample:
        """Sample one turn. A cancelled call is given up and costs no more."""
        ...

    async def update_weights(self, model: Any) -> None:
        """Sample with the weights of `model` from here on; whatever was kept of earlier ones is dropped.

        Args:
            model: A `Qwen2_5_VLForConditionalGeneration`, as the trainer has it.
        """
        ...

    async def close(self) -> None:
        """Free what the policy holds. Idempotent."""
        ...


@runtime_checkable
class SharedPolicy(Policy, Protocol):
    """A policy outside of the processes that ask it: one hands new weights over, the others are told."""

    async def adopt_weights(self) -> None:
        """Go on with the weights that another process has handed over."""
        ...
