"""Episodes on a Ray cluster: `RayVectorEnv` and `RayAsyncEnv`, the same environments spread over its nodes.

    envs = RayVectorEnv(64, config, cluster=RayConfig(address="auto", slots=8))

An actor on a node holds up to `slots` episodes with their sandboxes and a search engine of its own; this
process sends turns and gets observations back, whose images come by reference through the object store, each
once.
Actors that are lost are replaced; their episodes end as `infra_failed` and nobody else's.
"""

from __future__ import annotations

from deepeyes_env.adapters.ray.config import RayConfig
from deepeyes_env.adapters.ray.envs import RayAsyncEnv, RayVectorEnv
from deepeyes_env.adapters.ray.error import ClusterError
from deepeyes_env.adapters.ray.host import RayHost

__all__ = ["ClusterError", "RayAsyncEnv", "RayConfig", "RayHost", "RayVectorEnv"]
