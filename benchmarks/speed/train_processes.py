"""The same update spread over several processes of this machine: ours beside `DistributedDataParallel`."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from benchmarks.speed.record import Measure, Record, Sample, interleave
from benchmarks.speed.rollout_model import tiny
from benchmarks.speed.train_load import UpdateLoad
from benchmarks.speed.train_update import OURS, PLAIN, Bout, peak_memory

CPU = torch.device("cpu")

SPEED = Measure("tokens", "per s")
"""What a process notes for the one that asked."""


def measure_processes(
    processes: int, load: UpdateLoad, rounds: int, record: Record, speed: Measure, memory: Measure
) -> None:
    """Let ours and plain transformers take turns on one batch, each with all processes, one thread each.

    Args:
        processes: How many; the CPU's.
        load: The batch of all processes together.
        rounds: How often each has its turn.
        record: Takes the samples: wall time of the slowest process, memory of the first.
        speed: Tokens a second of all processes together.
        memory: Peak memory of one process.

    Raises:
        torch.multiprocessing.ProcessRaisedException: A process failed; the message is its traceback.
    """
    with tempfile.TemporaryDirectory(prefix="deepeyes-bench-") as folder:
        told = Path(folder) / "samples.json"
        multiprocessing.spawn(_process, (processes, _free_port(), load, rounds, told), nprocs=processes)
        for contender, samples in json.loads(told.read_text()).items():
            record.add(memory, contender, samples["memory"])
            for sample in samples["speed"]:
                record.add(speed, contender, sample)


def _process(rank: int, processes: int, port: int, load: UpdateLoad, rounds: int, told: Path) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
    torch.set_num_threads(1)
    # A model each: both hang something on the parameters.
    ours, plain = Bout(tiny(), load), Bout(tiny(), load)
    work = {OURS: ours.ours, PLAIN: plain.plain()}
    memory = {name: _memory(step) for name, step in work.items()}
    record = Record()

    def timed(step: Callable[[], None]) -> list[Sample]:
        dist.barrier()
        begin = time.perf_counter()
        step()
        dist.barrier()
        return [(SPEED, ours.tokens / (time.perf_counter() - begin))]

    interleave(rounds, {name: partial(timed, step) for name, step in work.items()}, record)
    if rank == 0:
        speeds = {name: record.samples(SPEED, name) for name in work}
        told.write_text(json.dumps({name: {"memory": memory[name], "speed": speeds[name]} for name in work}))
    dist.barrier()


def _memory(step: Callable[[], None]) -> int:
    step()  # warms up, and makes the optimiser's state
    return peak_memory(step, CPU)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
