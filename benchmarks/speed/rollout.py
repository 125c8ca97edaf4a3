"""Tokens a second of the rollout engine beside the bare backend, a barrier and Gymnasium's vector envs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from agents.event_loop import iterate
from agents.policy import GenerationRequest
from agents.rollout import stream
from agents.speaker import PolicySpeaker
from agents.transformers_policy import TransformersPolicy
from benchmarks.speed import rollout_loops as loops
from benchmarks.speed.machine import read_options, write_json
from benchmarks.speed.measured import Measured
from benchmarks.speed.mouthpiece import Load, Looks, Mouthpiece, PatientSandbox
from benchmarks.speed.record import Measure, Record, Sample, interleave
from benchmarks.speed.rollout_model import random_3b, tiny
from benchmarks.speed.tables import figures_table, targets_table
from benchmarks.speed.targets import Verdict, compared
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.errors import require

CEILING, OURS, BARRIER = "no environment", "ours", "barrier"
SYNC, ASYNC = "gymnasium sync", "gymnasium async"

WANTED, TARGET_MS = 0.9, 50
"""Share of the ceiling to be reached when tools take 50 ms (issue 5). With slower ones it takes more episodes
at once than `at_once`: rows are idle while every episode waits for its tool."""


@dataclass(frozen=True, kw_only=True)
class RolloutBenchOptions:
    """Measure rollouts with a policy that really samples and tools that take their time.

    Attributes:
        episodes: Episodes of a run, a multiple of `at_once`. A training step has thousands; with few, its
            beginning and its end, where rows are idle, weigh too much.
        at_once: Episodes at once, in every contender.
        rows: Turns that the backend decodes together.
        turns: Turns of an episode.
        tokens: Tokens of a turn, on average.
        latencies: Wall times of a tool call in milliseconds.
        sides: Sides of the pictures in pixels.
        rounds: How often ours and the ceiling have their turn where they are judged, with tools of 50 ms. One
            turn varies by some 10 % on a small machine, so the table has an interval.
        peer_rounds: How often the barrier and Gymnasium's environments have theirs, and everybody under the
            other loads.
        device: `cpu` takes the tiny model, anything else one of the size of the 3B in bfloat16.
        output: Also write everything as JSON to this file.
    """

    episodes: int = 192
    at_once: int = 32
    rows: int = 16
    turns: int = 4
    tokens: int = 96
    latencies: tuple[int, ...] = (0, 50, 500)
    sides: tuple[int, ...] = (112, 448)
    rounds: int = 6
    peer_rounds: int = 1
    device: str = "cpu"
    output: Path | None = None

    def __post_init__(self) -> None:
        whole = self.at_once > 0 and self.episodes > 0 and self.episodes % self.at_once == 0
        require(whole, "episodes", self.episodes, f"a multiple of at_once, which is {self.at_once}")


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.
    """
    options = read_options(RolloutBenchOptions, argv, "deepeyes bench rollout")
    torch.set_num_threads(1)
    qwen = tiny() if options.device == "cpu" else random_3b(options.device)
    policy = TransformersPolicy(qwen.model, qwen.tokenizer, max_rows=options.rows)
    record, verdicts = Record(), []
    console, progress = Console(), Console(stderr=True)
    for side in options.sides:
        for latency in options.latencies:
            load = Load(turns=options.turns, tokens=options.tokens, latency=latency / 1000, side=side)
            progress.print(f"tools of {latency} ms, pictures of {side} x {side}")
            verdict = measure(options, policy, load, record)
            if _is_judged(load):
                verdicts.append(verdict)
    if options.output is not None:
        write_json(options.output, options, Measured(verdicts, record.rows()))
    console.print(targets_table(verdicts))
    console.print(figures_table(record.rows()))


def measure(options: RolloutBenchOptions, policy: TransformersPolicy, load: Load, record: Record) -> Verdict:
    """Let the contenders take turns under one load.

    Returns:
        Ours against the ceiling.
    """
    name = f"{load.latency * 1000:g} ms, {load.side}²"
    episodes, tokens = Measure(f"episodes, {name}", "per s"), Measure(f"tokens, {name}", "per s")
    recorded = _record(options, policy, load)

    def timed(work: Callable[[Mouthpiece], int]) -> list[Sample]:
        policy.forget()
        mouth = Mouthpiece(policy, load)
        begin = time.perf_counter()
        done = work(mouth)
        seconds = time.perf_counter() - begin
        return [(episodes, done / seconds), (tokens, mouth.tokens / seconds)]

    def ceiling(mouth: Mouthpiece) -> int:
        mouth.tokens = loops.straight(policy, recorded, load, options.at_once)
        return len(recorded)

    count, at_once = options.episodes, options.at_once
    work: dict[str, Callable[[Mouthpiece], int]] = {
        CEILING: ceiling,
        OURS: partial(loops.ours, load=load, episodes=count, at_once=at_once),
    }
    if options.peer_rounds:
        work[BARRIER] = partial(loops.barrier, load=load, episodes=count, at_once=at_once)
        # One wave is enough for a rate, and one tool after the other takes minutes.
        work[SYNC] = partial(loops.gymnasium_vector, loops.sync_vector, load=load, at_once=at_once)
        work[ASYNC] = partial(loops.gymnasium_vector, loops.async_vector, load=load, at_once=at_once)
    ready = {each: partial(timed, one) for each, one in work.items()}
    interleave(options.peer_rounds, ready, record)
    # What is judged takes more turns than the peers, of which some need minutes for one.
    rounds = options.rounds if _is_judged(load) else max(1, options.peer_rounds)
    interleave(rounds - options.peer_rounds, {each: ready[each] for each in (CEILING, OURS)}, record)
    return compared(
        f"ours / no environment, {name}", "of its tokens/s", record.ratio(tokens, OURS, CEILING), WANTED
    )


def _is_judged(load: Load) -> bool:
    return load.latency * 1000 == TARGET_MS


def _record(
    options: RolloutBenchOptions, policy: TransformersPolicy, load: Load
) -> list[list[GenerationRequest]]:
    """The requests that episodes under this load make; warms everything up as well."""
    mouth = Mouthpiece(policy, load)
    instant = Load(turns=load.turns, tokens=load.tokens, latency=0.0, side=load.side)
    env = DeepEyesAsyncEnv(
        options.at_once, tasks=Looks(load.side), sandbox=PatientSandbox(instant), prompt=loops.PROMPT
    )
    for _ in iterate(stream(PolicySpeaker(mouth, loops.PARAMS), env, loops.requests(options.episodes))):
        pass
    env.close()
    return list(mouth.requests.values())
