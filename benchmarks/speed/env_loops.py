"""Ways to run many environments: ours, Gymnasium's vector environments, GEM's threads, TRL's tool loop.

All of them run the same episodes with the same tools. Each is a context in which a call plays one round.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType, SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np

from benchmarks.speed.env_load import LOOK, PICTURES, PROMPT, EnvLoad, SleepingSandbox
from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.images import EncodedImage
from deepeyes_env.vector import DeepEyesVectorEnv


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a round: proof that the work was done.

    Attributes:
        images: Pictures that tools showed.
        rewards: Sum of all rewards.
    """

    images: int
    rewards: float


Play = Callable[[], Seen]
Loop = Callable[[EnvLoad], AbstractContextManager[Play]]


class NotInstalled(Exception):
    """A contender is missing; the message says how to get it."""


# --- No environment ----------------------------------------------------------------------------------------


@contextmanager
def bare(load: EnvLoad) -> Iterator[Play]:
    """The ceiling: a thread for each place that calls the tools and does nothing else."""
    sandbox = SleepingSandbox(load)
    calls = load.tools // load.envs

    def place(_: int) -> int:
        return sum(len(sandbox.run("").images) for _ in range(calls))

    with ThreadPoolExecutor(load.envs) as threads:
        yield lambda: Seen(sum(threads.map(place, range(load.envs))), float(load.episodes))


# --- Ours --------------------------------------------------------------------------------------------------


@contextmanager
def streaming(load: EnvLoad) -> Iterator[Play]:
    """Each place goes its own way, and images go by reference: nobody asks for their pixels."""
    with _ours(load) as envs:
        yield partial(_stream, envs, load, lambda images: None)


@contextmanager
def streaming_pixels(load: EnvLoad) -> Iterator[Play]:
    """The same; a thread for each processor reads all pixels, as whoever prepares them for a model does."""
    with _ours(load) as envs, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as readers:

        def play() -> Seen:
            reading: list[Future[None]] = []
            seen = _stream(envs, load, lambda images: reading.append(readers.submit(_read, images)))
            for one in reading:
                one.result()
            return seen

        yield play


def _read(images: Sequence[EncodedImage]) -> None:
    for image in images:
        np.asarray(image.decode_shared())


def _stream(envs: DeepEyesVectorEnv, load: EnvLoad, look: Callable[[Sequence[EncodedImage]], None]) -> Seen:
    waves, turns, images, rewards = [0] * load.envs, [0] * load.envs, 0, 0.0

    def begin(slot: int) -> None:
        waves[slot] += 1
        turns[slot] = 0
        look(envs.begin(slot, slot % PICTURES)[0].images)
        envs.submit(slot, load.text(0))

    for slot in range(load.envs):
        begin(slot)
    while done := envs.ready():
        for slot, result in done:
            look(result.observation.images)
            images += len(result.observation.images)
            rewards += result.reward
            if not result.done:
                turns[slot] += 1
                envs.submit(slot, load.text(turns[slot]))
            elif waves[slot] < load.waves:
                begin(slot)
    return Seen(images, rewards)


@contextmanager
def stepping(load: EnvLoad) -> Iterator[Play]:
    """Ours by Gymnasium's `step`: images as arrays, all wait for the slowest."""
    with _ours(load) as envs:
        yield partial(_step_all, envs, load)


@contextmanager
def _ours(load: EnvLoad) -> Iterator[DeepEyesVectorEnv]:
    envs = DeepEyesVectorEnv(load.envs, tasks=load.source(), sandbox=SleepingSandbox(load), prompt=PROMPT)
    try:
        envs.reset(seed=0)
        yield envs
    finally:
        envs.close()


# --- Gymnasium ---------------------------------------------------------------------------------------------


@contextmanager
def gymnasium_sync(load: EnvLoad) -> Iterator[Play]:
    """Gymnasium's `SyncVectorEnv`: one after the other, in this process."""
    with _gymnasium(gym.vector.SyncVectorEnv, load) as play:
        yield play


@contextmanager
def gymnasium_async(load: EnvLoad) -> Iterator[Play]:
    """Gymnasium's `AsyncVectorEnv`: a process each; pictures of any size do not fit its shared memory."""
    with _gymnasium(partial(gym.vector.AsyncVectorEnv, shared_memory=False), load) as play:
        yield play


@contextmanager
def _gymnasium(make: Callable[..., Any], load: EnvLoad) -> Iterator[Play]:
    envs = make(_singles(load), autoreset_mode=gym.vector.AutoresetMode.DISABLED)
    try:
        envs.reset(seed=0)
        yield partial(_step_all, envs, load)
    finally:
        envs.close()


def _step_all(envs: Any, load: EnvLoad) -> Seen:
    """All in step, as every Gymnasium vector environment is used."""
    images, rewards = 0, 0.0
    for _ in range(load.waves):
        envs.reset(seed=0)
        for turn in range(load.turns):
            observations, reward, *_ = envs.step((load.text(turn),) * load.envs)
            images += sum(map(len, observations["images"]))
            rewards += float(reward.sum())
    return Seen(images, rewards)


# --- GEM ---------------------------------------------------------------------------------------------------


@contextmanager
def gem_threads(load: EnvLoad) -> Iterator[Play]:
    """GEM's `AsyncVectorEnv`: a thread each, and a deep copy of every observation (gem-llm 0.1.0).

    Raises:
        NotInstalled: GEM is missing.
    """
    vector = gem_vector()
    functions = [partial(_GemEnv, make) for make in _singles(load)]
    envs = vector.AsyncVectorEnv([""] * load.envs, functions, autoreset_mode=vector.AutoresetMode.NEXT_STEP)
    try:
        envs.reset(seed=0)
        yield partial(_step_gem, envs, load)
    finally:
        envs.thread_pool_executer.shutdown()


def _step_gem(envs: Any, load: EnvLoad) -> Seen:
    images, rewards = 0, 0.0
    for _ in range(load.waves):
        envs.reset(seed=0)
        for turn in range(load.turns):
            observations, reward, *_ = envs.step([load.text(turn)] * load.envs)
            images += sum(len(observation["images"]) for observation in observations)
            rewards += float(reward.sum())
    return Seen(images, rewards)


class _GemEnv:
    """The single environment behind GEM's interface (`gem/core.py`), whose `reset` knows no options."""

    def __init__(self, make: Callable[[], DeepEyesEnv]) -> None:
        self._env = make()

    def reset(self, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        return self._env.reset(seed=seed)

    def step(self, action: str) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self._env.step(action)


@cache
def gem_vector() -> ModuleType:
    """GEM's own module of vector environments, without its catalogue of environments and what that needs.

    Raises:
        NotInstalled: GEM is missing.
    """
    spec = importlib.util.find_spec("gem")
    if spec is None or spec.submodule_search_locations is None:
        raise NotInstalled("not installed: pip install --no-deps gem-llm==0.1.0")
    package = ModuleType("gem")  # `gem/__init__.py` imports reasoning_gym and configures all logging
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["gem"] = package
    return importlib.import_module("gem.vector.async_vector_env")


# --- TRL ---------------------------------------------------------------------------------------------------


@contextmanager
def trl_tools(load: EnvLoad) -> Iterator[Play]:
    """TRL's own tool loop, `GRPOTrainer._tool_call_loop`, with a model that is a script (TRL 1.16.0).

    Tools are functions of an environment, as with `environment_factory`; what they return is not looked at.

    Raises:
        NotInstalled: TRL is missing.
    """
    try:
        from trl import GRPOTrainer
    except ImportError as error:
        raise NotInstalled(f"cannot be imported: {error}") from error
    envs = [make() for make in _singles(load)]
    try:
        yield partial(_trl_round, GRPOTrainer._tool_call_loop, envs, load)
    finally:
        for env in envs:
            env.close()


def _trl_round(loop: Callable[..., Any], envs: Sequence[DeepEyesEnv], load: EnvLoad) -> Seen:
    images, rewards = 0, 0.0
    for _ in range(load.waves):
        for env in envs:
            env.reset(seed=0)
        said: list[Any] = [[_calls(load.turns > 1)] for _ in envs]
        prompts: list[Any] = [[] for _ in envs]
        ids = [[0] for _ in envs], [[1] for _ in envs]
        *_, shown = loop(_ScriptedTrainer(envs, load), prompts, *ids, said, None, None, {})
        images += sum(map(len, shown))
        rewards += sum(float(env.step(load.text(load.turns - 1))[1]) for env in envs)
    return Seen(images, rewards)


class _ScriptedTrainer:
    """What `_tool_call_loop` asks of its trainer; a sampled id counts the tool calls that remain."""

    _is_vlm = use_vllm = False
    max_completion_length = 1 << 20
    environment_factories = None
    tools = ()
    model = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=1 << 20))

    def __init__(self, envs: Sequence[DeepEyesEnv], load: EnvLoad) -> None:
        self.max_tool_calling_iterations = load.turns
        self._remaining = load.turns - 1
        self._sync_tool_dicts = [{"python": partial(_tool, env)} for env in envs]
        self._async_tool_dicts: list[dict[str, Any]] = [{} for _ in envs]
        self._tokenizer = SimpleNamespace(parse_response=lambda ids: _calls(ids[0] > 0), eos_token="")

    def _get_tool_suffix_ids(self, messages: Sequence[Any]) -> list[int]:
        return [0]

    def _generate_single_turn(
        self, prompts: Sequence[Any], *_: Any, **__: Any
    ) -> tuple[list[list[int]], None]:
        self._remaining -= 1
        return [[self._remaining] for _ in prompts], None


def _tool(env: DeepEyesEnv, code: str) -> list[dict[str, Any]]:
    observation = env.step(code)[0]
    pictures = [{"type": "image", "image": image} for image in observation["images"]]
    return [*pictures, {"type": "text", "text": observation["text"]}]


def _calls(tool: bool) -> dict[str, Any]:
    call = {"type": "function", "function": {"name": "python", "arguments": {"code": LOOK}}}
    return {"role": "assistant", "content": ""} | ({"tool_calls": [call]} if tool else {})


# -----------------------------------------------------------------------------------------------------------


def _singles(load: EnvLoad) -> list[Callable[[], DeepEyesEnv]]:
    return [
        partial(DeepEyesEnv, tasks=load.source(), sandbox=SleepingSandbox(load), prompt=PROMPT)
    ] * load.envs
