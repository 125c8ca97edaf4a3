"""Records episodes as a rollout does, from texts: for tests of what happens to a trajectory afterwards."""

from __future__ import annotations

from collections.abc import Generator, Iterable

import numpy as np
from talk import vocabulary

from agents.policy import Sample, SamplingParams
from agents.speaker import session_seed
from agents.trajectory import SeedLineage, Trajectory
from agents.transcript import MAX_TOKENS, THINK, ContextFull, Transcript
from deepeyes_env.episode import Observation
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward
from deepeyes_env.runner import StepResult
from deepeyes_env.vector import DeepEyesVectorEnv

Script = Generator[str, Observation, None]

LINEAGE = SeedLineage(11, 2, 3, 4)


def from_texts(texts: Iterable[str]) -> Script:
    """A script that says the same whatever it sees."""
    for text in texts:  # noqa: UP028 - `yield from` would hand what is sent to a list
        yield text


def sampled(text: str, seed: int, *, cut: bool = False) -> Sample:
    """A turn as a policy might sample it: some words byte by byte, up to a stop string or the end of turn."""
    words, rng = vocabulary(), np.random.default_rng(seed)
    single = {name: number for number, name in enumerate(words.token_bytes) if len(name) == 1}
    ids: list[int] = []
    for token in words.encode(text):
        bytewise = rng.random() < 0.3
        ids += [single[bytes([byte])] for byte in words.token_bytes[token]] if bytewise else [token]
    stop = SamplingParams().stop
    ends = [n for n in range(1, len(ids) + 1) if any(s in words.decode(ids[:n]) for s in stop)]
    ids = ids[: ends[0]] if ends else [*ids, *([] if cut and ids else [words.im_end])]
    logprobs = -rng.exponential(size=len(ids)).astype(np.float32)
    said = words.turn_text(ids, stop)
    return Sample(np.array(ids, np.int64), logprobs, said, "length" if cut else "stop")


def record(
    env: DeepEyesVectorEnv,
    index: int,
    script: Script,
    *,
    split: str = "train",
    lineage: SeedLineage = LINEAGE,
    max_tokens: int = MAX_TOKENS,
    think_prefill: bool = True,
    cut_turn: int | None = None,
) -> Trajectory:
    """Run a script in slot 0; `cut_turn` runs into the token limit. An exhausted script is cut as well."""
    observation, info = env.begin(0, index, split, session_seed(lineage))
    task = env.episode(0).task
    limits = {"max_tokens": max_tokens, "max_images": env.config.max_images}
    transcript = Transcript(vocabulary(), name=task.id, think_prefill=think_prefill, **limits)
    transcript.start(info["system_prompt"], observation)
    text = next(script)
    for turn in range(100):
        prefill = THINK if think_prefill and turn else ""
        sample = sampled(text.removeprefix(prefill), seed=lineage.sample + turn, cut=turn == cut_turn)
        text = transcript.append_sample(sample)
        if turn == cut_turn:
            transcript.annotate("malformed")
            result = env.abandon(0)
            break
        result = step(env, text)
        transcript.annotate(result.info["action"], result.info.get("tool_ok"))
        if result.done:
            break
        try:
            transcript.append_observation(result.observation)
        except ContextFull:
            result = env.abandon(0)
            break
        try:
            text = script.send(result.observation)
        except StopIteration:
            text, cut_turn = "<think>cut", turn + 1
    info = result.info
    return transcript.to_trajectory(
        family=task.family,
        skills=task.skills,
        question=task.question,
        reference=task.answer.text,
        answer=info["answer"] or None,
        reward=Reward(info["accuracy"], info["format"], info["total"]),
        outcome=Outcome(info["outcome"]),
        lineage=lineage,
        versions={"policy": "recorder"},
    )


def step(env: DeepEyesVectorEnv, text: str) -> StepResult:
    env.submit(0, text)
    ((_, result),) = env.ready()
    return result
