"""Hundreds of scripted episodes at once with slow, failing and hanging tools: nothing is lost or mixed up."""

from __future__ import annotations

import ast
import gc
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import psutil
from PIL import Image
from rich import box
from rich.console import Console
from rich.table import Table

from agents.event_loop import iterate
from agents.rollout import RolloutLimits, stream
from agents.rollout_command import live_progress
from agents.rollout_stats import RolloutStats
from agents.scripted import Script, ScriptSpeaker
from agents.speaker import RolloutRequest
from agents.tiny import build_tiny
from agents.trajectory import SeedLineage, Trajectory, check_trajectory
from agents.vocabulary import Vocabulary
from benchmarks.speed.faults import Fault, Faults, FaultySandbox
from benchmarks.speed.footprint import left_behind
from benchmarks.speed.machine import own_directory, read_options, write_json
from benchmarks.speed.measured import Measured
from benchmarks.speed.record import Measure, Record
from benchmarks.speed.targets import OURS, Verdict
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.images import EncodedImage, smart_resize
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import RunCode, parse_turn
from deepeyes_env.sandbox import LocalSandbox, SandboxLimits
from deepeyes_env.task import Answer, Split, Task

SIDES = (56, 112, 224, 448, 896, 1344, 2016)
"""Sides of the squares that cells show, in pixels: up to 4 megapixels. Each is a multiple of 28."""

FLAT = 1.1
"""Memory counts as flat if the last rounds need at most this much more than the first after warming up."""

WARM_ROUNDS = 3
"""Rounds until every thread's heap has seen its largest picture."""


@dataclass(frozen=True, kw_only=True)
class StressOptions:
    """Run many scripted episodes at once, round after round, and check every one.

    Attributes:
        episodes: Episodes at once, which is one round.
        turns: Turns of an episode; the last one answers.
        rounds: Rounds.
        fault_rate: Share of cells that are slow, fail or hang.
        tool_seconds: Wall time after which a cell counts as hanging.
        workers: Cells at work at once.
        output: Also write everything as JSON to this file.
    """

    episodes: int = 512
    turns: int = 6
    rounds: int = 10
    fault_rate: float = 0.05
    tool_seconds: float = 10.0
    workers: int = 16
    output: Path | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did.

    Attributes:
        outcomes: Episodes by outcome.
        faults: Injected faults so far.
        retries: Episodes begun anew.
        seconds: Wall time.
        memory: Resident memory of this process after it, in MiB.
        wrong: What is not as it should be; empty when all is well.
    """

    outcomes: Counter[str]
    faults: int
    retries: int
    seconds: float
    memory: float
    wrong: tuple[str, ...]


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        SystemExit: Something was lost, mixed up or left behind.
    """
    options = read_options(StressOptions, argv, "deepeyes bench stress")
    rounds: list[Round] = []
    with own_directory():
        stress(replace(options, episodes=2, rounds=1))  # opens what a process opens once
        leaks = left_behind(lambda: rounds.extend(stress(options)))
    console = Console()
    console.print(_table(rounds))
    wrong = [fault for one in rounds for fault in one.wrong]
    wrong += [f"{count} {kind} left behind" for kind, count in leaks.items() if count > 0]
    flat = is_flat([one.memory for one in rounds])
    if options.output is not None:
        write_json(options.output, options, measured(rounds, len(wrong)))
    console.print(f"nothing lost or mixed up: {not wrong}; memory flat: {flat}")
    if wrong or flat is False:
        sys.exit("\n".join(wrong[:20]) or "memory grows")


def stress(options: StressOptions) -> list[Round]:
    """Run all rounds.

    Args:
        options: How many of what.
    """
    limits = SandboxLimits()
    inner = LocalSandbox(limits)
    vocabulary = Vocabulary(build_tiny().tokenizer)
    try:
        return [_round(options, number, inner, vocabulary) for number in range(options.rounds)]
    finally:
        inner.close()


def is_flat(memory: Sequence[float]) -> bool | None:
    """Whether memory stays level after the warm-up; None with too few rounds to tell."""
    growth = memory_growth(memory)
    return None if growth is None else growth <= FLAT


def memory_growth(memory: Sequence[float]) -> float | None:
    """The most that the last rounds need beside the first warm ones; None with too few rounds to tell."""
    warm = memory[WARM_ROUNDS - 1 :]
    if len(warm) < 4:
        return None
    half = len(warm) // 2
    return max(warm[half:]) / max(warm[:half])


def measured(rounds: Sequence[Round], wrong: int) -> Measured:
    """The rounds as targets and figures.

    Args:
        rounds: All rounds.
        wrong: Number of things that were lost, mixed up or left behind.
    """
    record = Record()
    for one in rounds:
        for measure, value in zip(_MEASURES, (one.seconds, one.memory, one.retries), strict=True):
            record.add(measure, OURS, value)
    growth = memory_growth([one.memory for one in rounds])
    targets = [
        Verdict("lost, mixed up or left behind", "things", wrong, 0, at_least=False),
        Verdict("memory: last rounds / first warm ones", "x", growth, FLAT, at_least=False),
    ]
    return Measured(targets, record.rows())


_MEASURES = Measure("a round", "s"), Measure("memory after a round", "MiB"), Measure("begun anew", "episodes")


def _round(options: StressOptions, number: int, inner: LocalSandbox, vocabulary: Vocabulary) -> Round:
    faults = Faults(options.fault_rate, seed=number)
    stats, outcomes, wrong = RolloutStats(), Counter[str](), list[str]()
    with live_progress(stats, options.episodes):
        for request, one in _episodes(options, number, FaultySandbox(inner, faults), vocabulary, stats):
            outcomes[str(one.outcome)] += 1
            wrong += faults_of(request, one, options.turns, faults)
    gc.collect()
    memory = psutil.Process().memory_info().rss / 2**20
    return Round(outcomes, faults.counts.total(), stats.retries, stats.seconds, memory, tuple(wrong))


def _episodes(
    options: StressOptions, number: int, sandbox: FaultySandbox, vocabulary: Vocabulary, stats: RolloutStats
) -> Iterator[tuple[RolloutRequest, Trajectory]]:
    """The episodes of one round, each with what asked for it."""
    env = DeepEyesAsyncEnv(
        options.episodes, tasks=_Numbers(), sandbox=sandbox, workers=options.workers, prompt="minimal"
    )
    requests = [
        RolloutRequest(index, "train", SeedLineage(number, prompt=index)) for index in range(options.episodes)
    ]
    running = stream(
        ScriptSpeaker(lambda task, lineage: _script(lineage, options.turns), vocabulary),
        env,
        requests,
        limits=RolloutLimits(tool_seconds=options.tool_seconds),
        infra_retries=1,
        stats=stats,
    )
    try:
        yield from zip(requests, iterate(running), strict=True)
    finally:
        sandbox.close()
        env.close()


# --- What an episode says, and what must come of it --------------------------------------------------------


class _Numbers:
    """Endless tasks whose answer is their number."""

    name = "numbers"

    def size(self, split: Split) -> None:
        return None

    def task(self, index: int, split: Split = "train") -> Task:
        return Task(f"numbers/{split}/{index}", f"Number {index}?", (_QUESTION(),), Answer(str(index)))

    def search_engine(self) -> None:
        return None


@cache
def _QUESTION() -> EncodedImage:
    return EncodedImage.from_pil(Image.new("RGB", (84, 56), "white"))


def _script(lineage: SeedLineage, turns: int) -> Script:
    """Each cell remembers the cells before it and shows a picture that only this turn can have made."""
    for turn in range(turns - 1):
        side, colour = _picture(lineage, turn)
        yield (
            f"<think>turn {turn}</think>\n<code>\n```python\nfrom PIL import Image\n"
            f"seen = [*globals().get('seen', []), {_mark(lineage, turn)}]\nprint(seen)\n"
            f"Image.new('RGB', ({side}, {side}), {colour}).show()\n```\n</code>"
        )
    yield f"<think>done</think>\n<answer>{lineage.prompt}</answer>"


def _mark(lineage: SeedLineage, turn: int) -> tuple[int, int, int]:
    return lineage.run_seed, lineage.prompt, turn


def _picture(lineage: SeedLineage, turn: int) -> tuple[int, tuple[int, int, int]]:
    rng = random.Random(f"{_mark(lineage, turn)}")
    return rng.choice(SIDES), (rng.randrange(256), rng.randrange(256), rng.randrange(256))


def faults_of(request: RolloutRequest, one: Trajectory, turns: int, faults: Faults) -> Iterable[str]:
    """What is wrong with a finished episode.

    Args:
        request: What asked for it.
        one: The episode.
        turns: Turns that it should have.
        faults: What was injected.
    """
    check_trajectory(one)
    name = f"episode {request.index}"
    if one.lineage != request.lineage or one.question != f"Number {request.index}?":
        yield f"{name}: came out as {one.lineage}"
        return
    if one.outcome is Outcome.INFRA_FAILED:
        if not _may_fail(request.lineage, turns, faults):
            yield f"{name}: failed, though none of its cells had to"
        return
    if one.outcome is not Outcome.ANSWERED or one.reward.accuracy != 1.0 or len(one.turns) != turns:
        yield f"{name}: {one.outcome}, accuracy {one.reward.accuracy}, {len(one.turns)} turns"
    for turn, (record, image) in enumerate(zip(one.turns, one.images[1:], strict=False)):
        expected = [_mark(one.lineage, earlier) for earlier in range(turn + 1)]
        told = next((line for line in record.observation.splitlines() if line.startswith("[(")), "[]")
        if ast.literal_eval(told) != expected:
            yield f"{name}, turn {turn}: its session remembers {told}"
        side, colour = _picture(one.lineage, turn)
        if (image.height, image.width) != smart_resize(side, side):
            yield f"{name}, turn {turn}: a {image.width} x {image.height} picture"
        elif image.decode().getpixel((0, 0)) != colour:
            yield f"{name}, turn {turn}: a picture of another turn"


def _may_fail(lineage: SeedLineage, turns: int, faults: Faults) -> bool:
    """Whether injected faults can spoil an episode and the one attempt after it."""
    cells = (parse_turn(text) for text in _script(lineage, turns))
    fates = [faults.fate(cell.code) for cell in cells if isinstance(cell, RunCode)]
    broken = [heals for fault, heals in fates if fault in (Fault.FAIL, Fault.HANG)]
    return len(broken) > 1 or broken == [False]


def _table(rounds: Sequence[Round]) -> Table:
    table = Table("round", "answered", "infra failed", "faults", "retries", "s", "MiB", box=box.SIMPLE)
    for number, one in enumerate(rounds, start=1):
        answered, failed = one.outcomes["answered"], one.outcomes["infra_failed"]
        figures = (number, answered, failed, one.faults, one.retries, round(one.seconds), round(one.memory))
        table.add_row(*map(str, figures))
    return table
