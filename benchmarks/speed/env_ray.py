"""Episodes a second of RayVectorEnv over 1, 2 and 4 nodes of a cluster, with tools that sleep."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.speed.machine import read_options, write_json
from benchmarks.speed.measured import Measured
from benchmarks.speed.mouthpiece import LOOK, SAY, Load, Looks, PatientSandbox
from benchmarks.speed.record import Measure, Record, Sample, interleave
from benchmarks.speed.tables import figures_table, targets_table
from benchmarks.speed.targets import Verdict, compared
from deepeyes_env.vector import DeepEyesVectorEnv

WANTED = 0.9
"""Share of the ideal speed-up, one a node, to be reached. Tools only sleep, so what is lost is ours."""

STORE_BYTES = 80 << 20
"""Of each node's object store; Ray takes no less than 75 MiB."""

NOT_INSTALLED = "not installed: pip install 'deepeyes-gym[ray]'"

EPISODES = Measure("episodes", "per s")


@dataclass(frozen=True, kw_only=True)
class RayBenchOptions:
    """Measure how episodes a second grow with the nodes of a cluster; needs Ray (scripts/plugins/ray.txt).

    Attributes:
        nodes: Numbers of nodes, each a contender; the first is what the others are compared with.
        slots: Episodes at once on a node.
        turns: Turns of an episode; all but the last one wait for a tool.
        latency: Wall time of a tool call in milliseconds.
        side: Side of the pictures in pixels.
        episodes: Episodes that each slot plays in a round.
        rounds: How often each contender has its turn.
        output: Also write everything as JSON to this file.
    """

    nodes: tuple[int, ...] = (1, 2, 4)
    slots: int = 4
    turns: int = 4
    latency: int = 500
    side: int = 224
    episodes: int = 2
    rounds: int = 3
    output: Path | None = None

    @property
    def load(self) -> Load:
        """What an episode is made of."""
        return Load(turns=self.turns, tokens=0, latency=self.latency / 1000, side=self.side)


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.
    """
    options = read_options(RayBenchOptions, argv, "deepeyes bench env-ray")
    measured = measure_ray(options)
    if options.output is not None:
        write_json(options.output, options, measured)
    console = Console()
    console.print(targets_table(measured.targets))
    console.print(figures_table(measured.figures))


def measure_ray(options: RayBenchOptions) -> Measured:
    """Let clusters of different sizes take turns; without Ray the figures only say how to install it."""
    record = Record()
    if importlib.util.find_spec("ray") is None:
        for count in options.nodes:
            record.note(EPISODES, _name(count), NOT_INSTALLED)
        return Measured(_verdicts(record, options.nodes), record.rows())
    with ExitStack() as stack:
        stack.enter_context(_cluster(options.nodes))
        envs = {count: stack.enter_context(closing(_envs(count, options))) for count in options.nodes}
        for each in envs.values():
            _play(each, 1, options.turns)  # starts the actors
        work = {_name(count): partial(_sample, envs[count], options) for count in options.nodes}
        interleave(options.rounds, work, record)
    ideal = 1 / ((options.turns - 1) * options.load.latency)
    for count in options.nodes:
        record.add(EPISODES, f"tools alone, {_name(count)}", count * options.slots * ideal)
    return Measured(_verdicts(record, options.nodes), record.rows())


def _verdicts(record: Record, nodes: Sequence[int]) -> list[Verdict]:
    first, *more = nodes
    found = []
    for count in more:
        ratio = record.ratio(EPISODES, _name(count), _name(first))
        name = f"RayVectorEnv: {_name(count)} / {_name(first)}"
        found.append(compared(name, "x", ratio, WANTED * count / first))
    return found


def _name(count: int) -> str:
    return f"{count} node{'s' if count > 1 else ''}"


@contextmanager
def _cluster(counts: Sequence[int]) -> Iterator[None]:
    """As many nodes as the largest contender has; the first N have a token `nodes-N` for an actor of it."""
    # Without the monitor that kills actors when other programs fill the memory of the machine.
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_memory_monitor_refresh_ms="0")
    import ray
    from ray.cluster_utils import Cluster

    head: dict[str, Any] = {"num_cpus": 0, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=head | {"include_dashboard": False})
    try:
        for number in range(max(counts)):
            tokens = {f"nodes-{count}": 1.0 for count in counts if number < count}
            cluster.add_node(num_cpus=0, resources=tokens, object_store_memory=STORE_BYTES)
        ray.init(cluster.address, log_to_driver=False, logging_level="error")
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


def _envs(count: int, options: RayBenchOptions) -> DeepEyesVectorEnv:
    from deepeyes_env.adapters.ray import RayConfig, RayVectorEnv

    return RayVectorEnv(
        count * options.slots,
        tasks=Looks(options.side),
        sandbox=PatientSandbox(options.load),
        prompt="minimal",
        cluster=RayConfig(slots=options.slots, cpus=0, resources={f"nodes-{count}": 1.0}, min_actors=count),
    )


def _sample(envs: DeepEyesVectorEnv, options: RayBenchOptions) -> list[Sample]:
    begin = time.perf_counter()
    done = _play(envs, options.episodes, options.turns)
    return [(EPISODES, done / (time.perf_counter() - begin))]


def _play(envs: DeepEyesVectorEnv, episodes: int, turns: int) -> int:
    """Play so many episodes in each slot, each at its own pace.

    Returns:
        Episodes played, all of which were answered right.
    """
    taken = [0] * envs.num_envs
    for slot in range(envs.num_envs):
        envs.begin(slot, slot)
        envs.submit(slot, LOOK)
    right = 0
    while done := envs.ready():
        for slot, result in done:
            taken[slot] += 1
            if result.done:
                right += result.info["accuracy"] == 1.0
                if taken[slot] == episodes * turns:
                    continue
                envs.begin(slot, slot + taken[slot])
            envs.submit(slot, SAY if taken[slot] % turns == turns - 1 else LOOK)
    assert right == episodes * envs.num_envs, f"{right} of {episodes * envs.num_envs} episodes went right"
    return right
