"""Episodes on a Ray cluster: `RayVectorEnv` and `RayAsyncEnv`, the same environments spread over its nodes.

    envs = RayVectorEnv(64, config, cluster=RayConfig(address="auto", slots=8))

An actor on a node holds up to `slots` episodes with their sandboxes and a search engine of its own; this
process sends turns and gets observations back, whose images come by reference through the object store, each
once.
Actors that are lost are replaced; their episodes end as `infra_failed` and nobody else's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepeyes_env.adapters.ray.config import RayConfig
from deepeyes_env.adapters.ray.error import ClusterError

if TYPE_CHECKING:
    from deepeyes_env.adapters.ray.envs import RayAsyncEnv, RayVectorEnv
    from deepeyes_env.adapters.ray.host import RayHost

__all__ = ["ClusterError", "RayAsyncEnv", "RayConfig", "RayHost", "RayVectorEnv"]


def __getattr__(name: str) -> Any:
    # Settings and errors are read where Ray is not installed.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from deepeyes_env.adapters.ray import envs, host

    return getattr(host if name == "RayHost" else envs, name)
