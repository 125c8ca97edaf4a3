"""Steps and episodes a second of the vector env beside Gymnasium's, GEM's threads and TRL's tool loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.speed import env_loops as loops
from benchmarks.speed.env_load import EnvLoad
from benchmarks.speed.machine import processors, read_options, write_json
from benchmarks.speed.measured import Measured
from benchmarks.speed.record import Measure, Record, Sample, interleave
from benchmarks.speed.tables import figures_table, targets_table
from benchmarks.speed.targets import Verdict, compared
from deepeyes_env.errors import ConfigError

BARE, OURS, PIXELS, STEP = "tools alone", "ours", "ours, pixels read", "ours, step()"
SYNC, ASYNC, GEM, TRL = "gymnasium sync", "gymnasium async", "gem threads", "trl tool loop"

LOOPS: dict[str, loops.Loop] = {
    ASYNC: loops.gymnasium_async,  # first: it forks, which is safe only while there are no threads
    BARE: loops.bare,
    OURS: loops.streaming,
    PIXELS: loops.streaming_pixels,
    STEP: loops.stepping,
    SYNC: loops.gymnasium_sync,
    GEM: loops.gem_threads,
    TRL: loops.trl_tools,
}
"""The contenders."""

PEERS = (SYNC, ASYNC, GEM, TRL)
SERIAL = (SYNC, TRL)
"""One tool after the other, so that a round takes as long as all tools together."""

FASTER, FASTER_SIDE, FASTER_MS = 2.5, 1024, 50
"""How many times the best peer, with which pictures and tools (issue 8)."""

BARE_ENVS, BARE_SHARE = 64, 1 / 1.1
"""Within 10 % of the time of the tools alone, with so many environments (issue 8)."""


LEAST = {"sides": 0, "latencies": 0, "envs": 1, "turns": 2, "waves": 1, "seconds": 0, "rounds": 1, "cores": 1}
"""Least values of the options; an interval needs two rounds."""


@dataclass(frozen=True, kw_only=True)
class EnvBenchOptions:
    """Measure vector environments with tools that only take their time and show a picture.

    Attributes:
        sides: Sides of the pictures in pixels; 0: tools show none.
        latencies: Wall times of a tool call in milliseconds.
        envs: Environments at once.
        turns: Turns of an episode; the last one answers.
        waves: Episodes that each environment plays in a round, at least, so that its beginning weighs less.
        seconds: Wall time that the tools of one environment take in a round, at least: what is wanted is the
            speed of a run, and in a short round its beginning and its end are much of it.
        rounds: How often each contender has its turn.
        patience: Seconds that the tools of a round may take one after the other; where they take longer, who
            runs them so is left out.
        cores: Processors for every contender and what it starts.
        output: Also write everything as JSON to this file.
    """

    sides: tuple[int, ...] = (0, 224, 1024)
    latencies: tuple[int, ...] = (0, 50, 500)
    envs: tuple[int, ...] = (8, 64)
    turns: int = 3
    waves: int = 4
    seconds: float = 1.0
    rounds: int = 3
    patience: float = 10.0
    cores: int = 2
    output: Path | None = None

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            given = getattr(self, name)
            if min(given if isinstance(given, tuple) else (given,), default=least) < least:
                raise ConfigError(f"{name} = {given}: must be at least {least}")


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.
    """
    options = read_options(EnvBenchOptions, argv, "deepeyes bench env")
    measured = measure_all(options, Console(stderr=True))
    if options.output is not None:
        write_json(options.output, options, measured)
    console = Console()
    console.print(targets_table(measured.targets))
    console.print(figures_table(measured.figures))


def measure_all(options: EnvBenchOptions, progress: Console) -> Measured:
    """Measure every load, with its targets.

    Args:
        options: Which, and how often.
        progress: Shows which it is.
    """
    record, verdicts = Record(), list[Verdict]()
    with processors(options.cores):
        for load in all_loads(options):
            progress.print(load.name, highlight=False)
            measure(options, load, record)
            verdicts += judged(record, load)
    return Measured(verdicts, record.rows())


def all_loads(options: EnvBenchOptions) -> list[EnvLoad]:
    """Every combination of the options."""
    return [
        EnvLoad(
            envs=envs,
            turns=options.turns,
            waves=_waves(options, latency / 1000),
            latency=latency / 1000,
            side=side,
        )
        for side in options.sides
        for latency in options.latencies
        for envs in options.envs
    ]


def _waves(options: EnvBenchOptions, latency: float) -> int:
    waiting = (options.turns - 1) * latency
    return max(options.waves, math.ceil(options.seconds / waiting) if waiting else 0)


def measure(options: EnvBenchOptions, load: EnvLoad, record: Record) -> None:
    """Let the contenders take turns under one load.

    Args:
        options: How often.
        load: What they play.
        record: Takes the samples.
    """
    work: dict[str, Callable[[], list[Sample]]] = {}
    with ExitStack() as opened:
        for name, loop in LOOPS.items():
            seconds = load.tools * load.latency
            if name in SERIAL and seconds > options.patience:
                record.note(steps(load), name, f"left out: its tools alone take {seconds:g} s")
                continue
            try:
                work[name] = partial(timed, opened.enter_context(loop(load)), load)
            except loops.NotInstalled as error:
                record.note(steps(load), name, str(error))
        interleave(options.rounds, work, record)


def timed(play: loops.Play, load: EnvLoad) -> list[Sample]:
    """Time one round.

    Raises:
        RuntimeError: The round was not what it should be: its time means nothing.
    """
    begin = time.perf_counter()
    seen = play()
    seconds = time.perf_counter() - begin
    wanted = loops.Seen(load.tools if load.side else 0, float(load.episodes))
    if seen.images != wanted.images or seen.rewards < 0.5 * wanted.rewards:
        raise RuntimeError(f"{load.name}: {seen}, expected about {wanted}")
    return [(steps(load), load.steps / seconds), (episodes(load), load.episodes / seconds)]


def judged(record: Record, load: EnvLoad) -> list[Verdict]:
    """The targets that there are for a load."""
    verdicts = []
    if (load.side, load.latency) == (FASTER_SIDE, FASTER_MS / 1000):
        medians = {peer: record.median(steps(load), peer) or 0.0 for peer in PEERS}
        best = max(medians, key=lambda peer: medians[peer])
        for ours in (OURS, PIXELS):  # the peers' arrays cost what ours costs whoever reads the pixels
            ratio = record.ratio(steps(load), ours, best)
            name = f"{ours} / {best} (best peer), {load.name}"
            verdicts.append(compared(name, "x its steps/s", ratio, FASTER))
    if load.envs == BARE_ENVS and load.latency:
        ratio = record.ratio(steps(load), OURS, BARE)
        verdicts.append(compared(f"ours / {BARE}, {load.name}", "of its steps/s", ratio, BARE_SHARE))
    return verdicts


def steps(load: EnvLoad) -> Measure:
    """Turns a second under a load."""
    return Measure(f"steps, {load.name}", "per s")


def episodes(load: EnvLoad) -> Measure:
    """Episodes a second under a load."""
    return Measure(f"episodes, {load.name}", "per s")
