"""A real Ray cluster of several nodes on this machine, for the checks under Ray's own interpreter."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

# Without the monitor that kills actors when other programs fill the memory of the machine.
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_memory_monitor_refresh_ms="0", RAY_worker_niceness="0")

import psutil
import ray
from ray.cluster_utils import Cluster

STORE_BYTES = 80 << 20
"""Of each node's object store; Ray takes no less than 75 MiB."""

HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 5000,
    "health_check_failure_threshold": 2,
}
"""Dead nodes are noticed within a second or two and not after half a minute."""


@contextmanager
def cluster_of(*nodes: dict[str, Any]) -> Iterator[tuple[Cluster, list[Any]]]:
    """A cluster whose head runs nothing, with these nodes; this process is connected to it.

    Args:
        *nodes: Arguments of `Cluster.add_node`.

    Yields:
        The cluster and its nodes.
    """
    head = {"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head | {"_system_config": HEALTH})
    try:
        added = [add_node(cluster, **node) for node in nodes]
        ray.init(cluster.address, log_to_driver=False, logging_level="error")
        yield cluster, added
    finally:
        ray.shutdown()
        cluster.shutdown()


def add_node(cluster: Cluster, **arguments: Any) -> Any:
    """Another node, with a small object store."""
    return cluster.add_node(object_store_memory=STORE_BYTES, **arguments)


def kill_node(cluster: Cluster, node: Any) -> None:
    """End all processes of a node at once, as a power cut does: workers may outlive a raylet by seconds."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    raylet.suspend()
    for process in raylet.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    cluster.remove_node(node, allow_graceful=False)
