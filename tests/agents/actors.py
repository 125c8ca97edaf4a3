"""Policies, tasks and sandboxes for the tests of rollouts: small, exact, and under the test's control."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from talk import noise_image, vocabulary

from agents import event_loop
from agents.policy import GenerationRequest, Sample, SamplingParams
from agents.trajectory import SeedLineage
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.sandbox.base import CellResult, CellStatus, SandboxError
from deepeyes_env.task import Answer, Task

LOOK = "<think>look</think>\n<code>\n```python\nprint(7)\n```\n</code>"
WAIT = "<think>wait</think>\n<code>\n```python\nwait()\n```\n</code>"
SAY = "<think>say</think>\n<answer>7</answer>"


class Riddles:
    """Endless tasks with one 84 x 56 picture; the answer is always 7."""

    name = "riddles"

    def size(self, split: str) -> None:
        return None

    def task(self, index: int, split: str = "train") -> Task:
        return _riddle(index, split)

    def search_engine(self) -> None:
        return None


@cache
def _riddle(index: int, split: str) -> Task:
    return Task(
        f"riddles/{split}/{index}", f"Riddle {index}?", (noise_image(index),), Answer("7"), family="riddles"
    )


class PythonSandbox:
    """Prints 7, after whatever the test does first: `act(code)` may block or raise `SandboxError`."""

    def __init__(self, act: Callable[[str], None] = lambda code: None) -> None:
        self.act = act
        self.cells: list[str] = []

    def open(self, images: Sequence[object], seed: int = 0) -> PythonSandbox:
        return self

    def run(self, code: str) -> CellResult:
        self.cells.append(code)
        self.act(code)
        return CellResult(CellStatus.OK, stdout="7\n")

    def close(self) -> None:
        pass


def failing(times: int) -> Callable[[str], None]:
    """Fails the first `times` cells."""
    left = [times]

    def act(code: str) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise SandboxError("the sandbox is gone")

    return act


class Parrot:
    """A policy that repeats texts: turn `n` of a conversation is `turns[n]`.

    Args:
        turns: The texts; a pre-filled `<think>` is left out where one is.
        cut: The turn that runs into the token limit.

    Attributes:
        batches: How many turns were asked for in each tick of the event loop.
        seeds: The seeds of all requests.
    """

    def __init__(self, *turns: str, cut: int | None = None) -> None:
        self.vocabulary = vocabulary()
        self.turns = turns
        self.cut = cut
        self.batches: list[int] = []
        self.seeds: list[int] = []

    async def generate(self, request: GenerationRequest, params: SamplingParams) -> Sample:
        self.seeds.append(request.seed)
        self._count()
        await asyncio.sleep(0)
        return self._sample(request)

    def turns_of(self, request: GenerationRequest) -> tuple[str, ...]:
        return self.turns

    async def update_weights(self, model: object) -> None:
        pass

    async def close(self) -> None:
        pass

    def _count(self) -> None:
        if self._tick is None:
            self._tick = 0
            asyncio.get_running_loop().call_soon(self._end_tick)
        self._tick += 1

    _tick: int | None = None

    def _end_tick(self) -> None:
        self.batches.append(self._tick or 0)
        self._tick = None

    def _sample(self, request: GenerationRequest) -> Sample:
        words = vocabulary()
        ends = sum(word == words.id("<|im_start|>") for word in request.input_ids)
        turn = (ends - 3) // 2  # system, user, assistant; then user, assistant for every turn
        text = self.turns_of(request)[turn]
        text = text if turn == 0 else text.removeprefix("<think>")
        ids = np.array(words.encode(text), np.int64)
        reason = "length" if turn == self.cut else "stop"
        return Sample(ids, np.full(len(ids), -0.5, np.float32), text, reason)


def make_env(num_envs: int = 2, sandbox: object | None = None, **overrides: object) -> DeepEyesAsyncEnv:
    """Riddles with the smallest prompt."""
    chosen = PythonSandbox() if sandbox is None else sandbox
    return DeepEyesAsyncEnv(num_envs, tasks=Riddles(), sandbox=chosen, **{"prompt": "minimal"} | overrides)


def lineages(count: int) -> list[SeedLineage]:
    return [SeedLineage(5, prompt=number) for number in range(count)]


def left_behind() -> set[asyncio.Task[object]]:
    """What nobody waits for any more and would go on with the next call; see `agents.event_loop`."""
    return asyncio.all_tasks(event_loop._LOCAL.runner.get_loop())
