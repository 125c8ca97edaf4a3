"""Where a DAPO step's time goes; updates beside plain transformers and TRL: tokens a second and memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console

from agents.qwen import Qwen
from benchmarks.speed.machine import read_options, write_json
from benchmarks.speed.measured import Measured
from benchmarks.speed.mouthpiece import Load
from benchmarks.speed.record import Measure, Record, Sample, interleave
from benchmarks.speed.rollout_model import random_3b, random_7b, tiny
from benchmarks.speed.tables import figures_table, targets_table
from benchmarks.speed.targets import Verdict, compared
from benchmarks.speed.train_load import UpdateLoad, training_flops
from benchmarks.speed.train_processes import measure_processes
from benchmarks.speed.train_shares import measure_shares
from benchmarks.speed.train_update import OURS, PLAIN, TRL, Bout, peak_memory, synchronised
from trainers.config import DapoConfig
from trainers.distributed.engine import checkpointing

Size = Literal["tiny", "3b", "7b"]

MODELS: dict[Size, Callable[[str], Qwen]] = {"tiny": lambda _: tiny(), "3b": random_3b, "7b": random_7b}
"""Random weights of these sizes on a device; the large ones in bfloat16."""

TRL_NOT_INSTALLED = "not installed: pip install 'deepeyes-gym[trl]'"

WANTED = 0.95
"""Share of plain transformers' tokens a second that an update is to reach (issue 6)."""

PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "B200": 2250e12}
"""Dense bfloat16 operations a second by what a GPU's name holds (NVIDIA's data sheets, SXM)."""


@dataclass(frozen=True, kw_only=True)
class TrainBenchOptions:
    """Measure training.

    Attributes:
        device: Where the model is. `cpu` takes the tiny one, anything else those of the sizes of 3B and 7B.
        sizes: Other models.
        lengths: Tokens of a trajectory; default: 256 and 1,024 on `cpu`, 4,096 to 24,576 elsewhere.
        rounds: How often each contender has its turn.
        trl: Whether TRL's GRPO loss takes part.
        processes: Processes over which the update is spread in a second comparison, on the CPU; 1 leaves it
            out.
        steps: DAPO steps over which shares are taken; 0 leaves them out. They run on the CPU.
        output: Also write everything as JSON to this file.
    """

    device: str = "cpu"
    sizes: tuple[Size, ...] = ()
    lengths: tuple[int, ...] = ()
    rounds: int = 8
    trl: bool = True
    processes: int = 2
    steps: int = 4
    output: Path | None = None

    def models(self) -> tuple[Size, ...]:
        """The sizes to measure."""
        return self.sizes or (("tiny",) if self.device == "cpu" else ("3b", "7b"))

    def loads(self) -> list[UpdateLoad]:
        """The batches: many short trajectories on a CPU, a few long ones elsewhere."""
        if self.device == "cpu":
            return [
                UpdateLoad(
                    trajectories=max(4, 8192 // n), micro_batch=max(1, 4096 // n), tokens=n, turn=40, side=112
                )
                for n in self.lengths or (256, 1024)
            ]
        return [
            UpdateLoad(trajectories=4, micro_batch=1, tokens=n, turn=512, side=448)
            for n in self.lengths or (4096, 8192, 16384, 24576)
        ]


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.
    """
    options = read_options(TrainBenchOptions, argv, "deepeyes bench train")
    torch.set_num_threads(1)
    record, verdicts = Record(), []
    console, progress = Console(), Console(stderr=True)
    if options.steps:
        progress.print("shares of a DAPO step")
        measure_shares(_dapo(options.steps), Load(turns=3, tokens=48, latency=0.0, side=112), record)
    for size in options.models():
        qwen = MODELS[size](options.device)
        for load in options.loads():
            progress.print(f"updates of the {size} model, trajectories of {load.tokens} tokens")
            verdicts.append(measure_update(options, size, qwen, load, record))
        del qwen
    if options.device == "cpu" and options.processes > 1:
        for load in options.loads():
            progress.print(f"updates in {options.processes} processes, trajectories of {load.tokens} tokens")
            verdicts.append(measure_spread(options, load, record))
    if options.output is not None:
        write_json(options.output, options, Measured(verdicts, record.rows()))
    console.print(targets_table(verdicts))
    console.print(figures_table(record.rows()))


def measure_update(
    options: TrainBenchOptions, size: Size, qwen: Qwen, load: UpdateLoad, record: Record
) -> Verdict:
    """Let the contenders take turns on one batch.

    Returns:
        Ours against plain transformers.
    """
    device = qwen.model.device
    name = f"{size} {load.trajectories} x {load.tokens}"
    speed, memory = Measure(f"tokens, {name}", "per s"), Measure(f"peak memory, {name}", "MiB", 1 / 2**20)
    with checkpointing(qwen.model, size != "tiny"):
        bout = Bout(qwen, load)
        flops, peak = training_flops(qwen.model.config, bout.batch), _peak_flops(device)
        share = Measure(f"of peak FLOP/s, {name}", "%", 100.0)
        contenders = {OURS: bout.ours, PLAIN: bout.plain()}
        if options.trl and find_spec("trl") is None:
            record.note(speed, TRL, TRL_NOT_INSTALLED)
        elif options.trl:
            contenders[TRL] = bout.trl()
        ready: dict[str, Callable[[], list[Sample]]] = {}

        # On a CPU the process's own time: one thread computes, and others may share the processor.
        clock = time.process_time if device.type == "cpu" else time.perf_counter

        def timed(step: Callable[[], None]) -> list[Sample]:
            begin = clock()
            step()
            seconds = clock() - begin
            known = [(share, flops / seconds / peak)] if peak else []
            return [(speed, bout.tokens / seconds), *known]

        for contender, work in contenders.items():
            step = synchronised(work, device)
            try:
                step()  # warms up, and makes the optimiser's state
                record.add(memory, contender, peak_memory(step, device))
            except torch.OutOfMemoryError:
                record.note(memory, contender, "does not fit")
                qwen.model.zero_grad(set_to_none=True)
            else:
                ready[contender] = partial(timed, step)
        interleave(options.rounds, ready, record)
    return compared(
        f"ours / transformers, {name}", "of its tokens/s", record.ratio(speed, OURS, PLAIN), WANTED
    )


def measure_spread(options: TrainBenchOptions, load: UpdateLoad, record: Record) -> Verdict:
    """Let ours and plain transformers take turns on one batch, spread over processes.

    Returns:
        Ours against plain transformers.
    """
    name = f"tiny {load.trajectories} x {load.tokens}, {options.processes} processes"
    speed, memory = Measure(f"tokens, {name}", "per s"), Measure(f"peak memory, {name}", "MiB", 1 / 2**20)
    measure_processes(options.processes, load, options.rounds, record, speed, memory)
    return compared(
        f"ours / transformers, {name}", "of its tokens/s", record.ratio(speed, OURS, PLAIN), WANTED
    )


def _dapo(steps: int) -> DapoConfig:
    return DapoConfig(
        steps=steps + 1,
        prompts_per_step=8,
        group_size=8,
        minibatches=2,
        micro_batch_size=32,
        progress=False,
    )


def _peak_flops(device: torch.device) -> float | None:
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((flops for part, flops in PEAK_FLOPS.items() if part in name), None)
