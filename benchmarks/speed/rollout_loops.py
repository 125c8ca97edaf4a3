"""Ways to let a policy play: straight to the backend, ours, a barrier, Gymnasium's vector envs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gymnasium as gym
from PIL import Image

from agents.event_loop import iterate, run
from agents.policy import GenerationRequest, Policy, SamplingParams
from agents.rollout import stream
from agents.speaker import PolicySpeaker, RolloutRequest, turn_seed
from agents.trajectory import SeedLineage
from agents.transcript import Transcript
from benchmarks.speed.mouthpiece import Load, Looks, Mouthpiece, PatientSandbox
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.episode import Observation
from deepeyes_env.images import EncodedImage
from deepeyes_env.vector import DeepEyesVectorEnv

PARAMS = SamplingParams()
"""The mouthpiece has its own."""

MakeVector = Callable[[Sequence[Callable[[], gym.Env[Any, Any]]]], gym.vector.VectorEnv[Any, Any, Any]]

PROMPT = "minimal"
"""Prompt variant: what is measured is the loop, not the reading of a long prompt."""


def requests(count: int) -> list[RolloutRequest]:
    """The episodes that all loops run."""
    return [RolloutRequest(index, "train", SeedLineage(1, prompt=index)) for index in range(count)]


def straight(
    policy: Policy, recorded: Sequence[Sequence[GenerationRequest]], load: Load, at_once: int
) -> int:
    """The ceiling: the requests of whole conversations, one after the other, with no environment.

    Args:
        policy: The backend.
        recorded: By conversation.
        load: Gives the length of a turn.
        at_once: Conversations at once.

    Returns:
        Tokens sampled.
    """

    async def talk(gate: asyncio.Semaphore, conversation: Sequence[GenerationRequest]) -> int:
        async with gate:
            return sum(
                [len((await policy.generate(one, load.params(one))).token_ids) for one in conversation]
            )

    async def everybody() -> int:
        gate = asyncio.Semaphore(at_once)
        return sum(await asyncio.gather(*(talk(gate, one) for one in recorded)))

    return run(everybody())


def ours(policy: Mouthpiece, load: Load, episodes: int, at_once: int) -> int:
    """The rollout engine."""
    env = DeepEyesAsyncEnv(
        at_once, tasks=Looks(load.side), sandbox=PatientSandbox(load), prompt=PROMPT, workers=at_once
    )
    done = sum(1 for _ in iterate(stream(PolicySpeaker(policy, PARAMS), env, requests(episodes))))
    env.close()
    return done


def barrier(policy: Mouthpiece, load: Load, episodes: int, at_once: int) -> int:
    """Turn by turn: all generate, then all tools run at once, then the next turn; wave by wave."""
    env = DeepEyesVectorEnv(
        at_once, tasks=Looks(load.side), sandbox=PatientSandbox(load), prompt=PROMPT, workers=at_once
    )

    def step(texts: Sequence[str]) -> list[Observation]:
        for slot, text in enumerate(texts):
            env.submit(slot, text)
        results: dict[int, Observation] = {}
        while len(results) < len(texts):
            results |= {slot: result.observation for slot, result in env.ready()}
        return [results[slot] for slot in range(len(texts))]

    done = 0
    for first in range(0, episodes, at_once):
        begun = [env.begin(slot, first + slot) for slot in range(min(at_once, episodes - first))]
        opened = [(info["system_prompt"], observation) for observation, info in begun]
        done += _wave(policy, load, first, opened, step)
    env.close()
    return done


def gymnasium_vector(make: MakeVector, policy: Mouthpiece, load: Load, at_once: int) -> int:
    """Gymnasium's own vector environments around the single one: one wave."""
    env = make([partial(_single, load)] * at_once)

    def observations(batch: Any) -> list[Observation]:
        pairs = zip(batch["text"], batch["images"], strict=True)
        return [Observation(text, tuple(map(_encoded, images))) for text, images in pairs]

    def step(texts: Sequence[str]) -> list[Observation]:
        return observations(env.step(tuple(texts))[0])

    batch, info = env.reset(seed=0)
    opened = list(zip(info["system_prompt"], observations(batch), strict=True))
    done = _wave(policy, load, 0, opened, step)
    env.close()
    return done


def sync_vector(functions: Sequence[Callable[[], gym.Env[Any, Any]]]) -> gym.vector.SyncVectorEnv:
    """One after the other, in this process."""
    return gym.vector.SyncVectorEnv(list(functions), autoreset_mode=gym.vector.AutoresetMode.DISABLED)


def async_vector(functions: Sequence[Callable[[], gym.Env[Any, Any]]]) -> gym.vector.AsyncVectorEnv:
    """One process each; pictures of any size do not fit shared memory."""
    return gym.vector.AsyncVectorEnv(
        list(functions), shared_memory=False, autoreset_mode=gym.vector.AutoresetMode.DISABLED
    )


def _wave(
    policy: Mouthpiece,
    load: Load,
    first: int,
    opened: Sequence[tuple[str, Observation]],
    step: Callable[[Sequence[str]], Sequence[Observation]],
) -> int:
    """Play one wave of episodes, all in step."""
    transcripts = []
    for system_prompt, observation in opened:
        transcripts.append(Transcript(policy.vocabulary))
        transcripts[-1].start(system_prompt, observation)
    lineages = [SeedLineage(1, prompt=first + slot) for slot in range(len(opened))]

    async def turn(number: int) -> list[str]:
        samples = await asyncio.gather(
            *(
                policy.generate(one.to_request(turn_seed(lineage, number), f"{lineage}"), PARAMS)
                for one, lineage in zip(transcripts, lineages, strict=True)
            )
        )
        return [one.append_sample(sample) for one, sample in zip(transcripts, samples, strict=True)]

    for number in range(load.turns):
        seen = step(run(turn(number)))
        if number < load.turns - 1:
            for transcript, observation in zip(transcripts, seen, strict=True):
                transcript.append_observation(observation)
    return len(opened)


def _single(load: Load) -> DeepEyesEnv:
    return DeepEyesEnv(tasks=Looks(load.side), sandbox=PatientSandbox(load), prompt=PROMPT)


def _encoded(pixels: Any) -> EncodedImage:
    return EncodedImage.from_pil(Image.fromarray(pixels))
