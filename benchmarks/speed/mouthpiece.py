"""The load of a model that has learnt the grammar: really sampled tokens, and a tool that takes its time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from agents.policy import GenerationRequest, Policy, Sample, SamplingParams
from agents.vocabulary import IM_START
from benchmarks.speed.pictures import picture
from deepeyes_env.images import EncodedImage
from deepeyes_env.sandbox.base import CellResult, CellStatus
from deepeyes_env.task import Answer, Split, Task

LOOK = "<think>I look closer.</think>\n<code>\n```python\nimage_1.show()\n```\n</code>"
SAY = "<think>I see.</think>\n<answer>7</answer>"


@dataclass(frozen=True, kw_only=True)
class Load:
    """What an episode is made of.

    Attributes:
        turns: Turns of an episode; the last one answers.
        tokens: Tokens of a turn, on average: from half to one and a half as many, by the request's seed.
        latency: Wall time of a tool call in seconds.
        side: Side of the pictures in pixels.
    """

    turns: int
    tokens: int
    latency: float
    side: int

    def params(self, request: GenerationRequest) -> SamplingParams:
        """How to sample a turn; it never stops by itself."""
        length = self.tokens // 2 + request.seed % (self.tokens + 1)
        return SamplingParams(1.0, max(1, length), stop=())


class Mouthpiece:
    """Samples with a real policy, and has the environment hear what it is told.

    Args:
        policy: Samples; it never stops by itself.
        load: How many tokens, and when to answer.

    Attributes:
        requests: All requests so far by conversation.
        tokens: Tokens sampled so far.
    """

    def __init__(self, policy: Policy, load: Load) -> None:
        self.vocabulary = policy.vocabulary
        self.requests: dict[str, list[GenerationRequest]] = {}
        self.tokens = 0
        self._policy = policy
        self._load = load

    async def generate(self, request: GenerationRequest, params: SamplingParams) -> Sample:
        """Sample a turn of the load's length; its ids are the sampled ones, its text is not theirs."""
        self.requests.setdefault(request.conversation, []).append(request)
        sample = await self._policy.generate(request, self._load.params(request))
        self.tokens += len(sample.token_ids)
        openings = int((request.input_ids == self.vocabulary.id(IM_START)).sum())
        turn = (openings - 3) // 2  # system, user, assistant; then user and assistant for every turn
        text = LOOK if turn < self._load.turns - 1 else SAY
        return replace(sample, text=text.removeprefix("<think>") if turn else text, finish_reason="stop")

    async def update_weights(self, model: Any) -> None:
        """Hand on."""
        await self._policy.update_weights(model)

    async def close(self) -> None:
        """Hand on."""
        await self._policy.close()


@dataclass(frozen=True, slots=True)
class Looks:
    """Endless tasks with one picture.

    Attributes:
        side: Its side in pixels.
    """

    side: int
    name = "looks"

    def size(self, split: Split) -> None:
        """Endless."""
        return None

    def task(self, index: int, split: Split = "train") -> Task:
        """Task `index`; there are 16 different pictures."""
        image = EncodedImage.from_pil(picture(self.side, index % 16))
        return Task(f"looks/{split}/{index}", "What is it?", (image,), Answer("7"), family="looks")

    def search_engine(self) -> None:
        """None."""
        return None


@dataclass(frozen=True, slots=True)
class PatientSandbox:
    """Every cell takes its time and shows one picture; sandbox and session in one.

    Attributes:
        load: How long, how large.
    """

    load: Load

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> PatientSandbox:
        """Costs nothing."""
        return self

    def run(self, code: str) -> CellResult:
        """Wait and show."""
        time.sleep(self.load.latency)
        shown = picture(self.load.side, len(code) % 16)
        return CellResult(CellStatus.OK, stdout="", images=(shown,))

    def close(self) -> None:
        """Nothing to free."""
