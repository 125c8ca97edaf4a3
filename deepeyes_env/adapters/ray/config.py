"""Where on a Ray cluster episodes run, as data; needs no Ray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deepeyes_env.errors import require, require_seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class RayConfig:
    """The actors that hold the episodes.

    Attributes:
        address: The cluster, as `ray.init` takes it: `auto` (the one of this machine), `HOST:PORT`, or
            `local` for one of this process alone. A process that is connected stays with its cluster.
        slots: Episodes at once in an actor, each with a sandbox process.
        min_actors: Actors that are kept while there is nothing to do.
        max_actors: Most actors; None is as many as the environment's episodes need. Further episodes wait.
        cpus: Processors that an actor reserves on its node: what Ray places it by, and what its autoscaler
            adds nodes for.
        resources: What an actor reserves besides, by name: a custom resource keeps actors on nodes that have
            it.
        near: Labels of nodes to be preferred, such as `{"ray.io/accelerator-type": "H200"}` or
            `{"ray.io/node-id": "in(ID,ID)"}` for the nodes of a trainer's placement group; where they are
            full, actors run elsewhere.
        idle_seconds: Wall time after which an actor without an episode is ended if others remain, so that its
            node can be taken away.
        wait_seconds: Longest wait of an episode for a slot: for others to end, or for nodes to be added.
    """

    address: str = "auto"
    slots: int = 8
    min_actors: int = 1
    max_actors: int | None = None
    cpus: float = 1.0
    resources: Mapping[str, float] = field(default_factory=dict)
    near: Mapping[str, str] = field(default_factory=dict)
    idle_seconds: float = 300.0
    wait_seconds: float = 600.0

    def __post_init__(self) -> None:
        require(self.slots >= 1, "slots", self.slots, "at least 1")
        require(self.min_actors >= 0, "min_actors", self.min_actors, "at least 0")
        least = max(self.min_actors, 1)
        most = self.max_actors
        require(most is None or most >= least, "max_actors", most, f"at least {least}, or left out")
        require(self.cpus >= 0, "cpus", self.cpus, "at least 0")
        require_seconds("idle_seconds", self.idle_seconds, may_be_zero=True)
        require_seconds("wait_seconds", self.wait_seconds)
