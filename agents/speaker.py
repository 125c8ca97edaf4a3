"""Who speaks in an episode: a policy on token ids, a script, or a chat API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from agents.episode_clock import EpisodeClock
from agents.policy import Policy, SamplingParams
from agents.trajectory import SeedLineage
from agents.transcript import Transcript
from agents.vocabulary import Vocabulary
from deepeyes_env.episode import Observation
from deepeyes_env.task import Split, Task


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
    """An episode that goes on.

    Attributes:
        request: What was asked for.
        task: Its task.
        system_prompt: Text of the system message.
        transcript: The conversation so far.
        observation: What the policy saw last.
        attempt: From 0; above it after infrastructure failures.
        clock: Its wall time; a speaker stops it while it waits until it may ask.
    """

    request: RolloutRequest
    task: Task
    system_prompt: str
    transcript: Transcript
    observation: Observation
    attempt: int = 0
    clock: EpisodeClock = field(default_factory=EpisodeClock)


class Speaker(Protocol):
    """Whoever takes the policy's turns.

    Attributes:
        vocabulary: The tokenizer that transcripts are written with.
        think_prefill: Whether every turn but the first starts with a given `<think>` (reference 1.4).
    """

    vocabulary: Vocabulary
    think_prefill: bool

    async def speak(self, episode: LiveEpisode) -> str | None:
        """Append the next turn to the episode's transcript.

        A cancelled call is given up; the episode is then over.

        Returns:
            The turn's text for the environment; None if it was cut by the token limit and must not be
            performed.

        Raises:
            PolicyError: What speaks could not be reached; the episode may be begun anew.
        """
        ...


class PolicySpeaker:
    """A policy speaks.

    Args:
        policy: Samples the turns.
        params: How.
        think_prefill: See `Speaker`.
    """

    def __init__(self, policy: Policy, params: SamplingParams, *, think_prefill: bool = True) -> None:
        self.policy = policy
        self.params = params
        self.vocabulary = policy.vocabulary
        self.think_prefill = think_prefill

    async def speak(self, episode: LiveEpisode) -> str | None:
        """Sample the next turn; see `Speaker.speak`."""
        lineage, transcript = episode.request.lineage, episode.transcript
        request = transcript.to_request(
            turn_seed(lineage, len(transcript.turns)), conversation=f"{episode.task.id} {lineage}"
        )
        sample = await self.policy.generate(request, self.params)
        text = transcript.append_sample(sample)
        return None if sample.finish_reason == "length" else text


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
