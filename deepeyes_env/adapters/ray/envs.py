"""The environments for many episodes, on a Ray cluster."""

from __future__ import annotations

from typing import Any

from deepeyes_env.adapters.ray.config import RayConfig
from deepeyes_env.adapters.ray.host import RayHost
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig
from deepeyes_env.errors import ConfigError
from deepeyes_env.host import env_config
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.task import TaskSource
from deepeyes_env.vector import DeepEyesVectorEnv


class RayVectorEnv(DeepEyesVectorEnv):
    """`DeepEyesVectorEnv` with its slots spread over the nodes of a cluster.

    Attributes:
        host: The cluster's side: actors and images.
    """

    def __init__(
        self,
        num_envs: int = 1,
        config: EnvConfig | None = None,
        *,
        cluster: RayConfig | None = None,
        tasks: TaskSource | None = None,
        sandbox: Sandbox | None = None,
        **overrides: Any,
    ) -> None:
        """Connect to the cluster; actors are started with the first episodes.

        Args:
            num_envs: Number of slots.
            config: Settings; the files that they name must be on every node.
            cluster: The cluster and its use; default: the one of this machine.
            tasks: See `RayHost`.
            sandbox: See `RayHost`.
            **overrides: Fields of `EnvConfig` that replace those of `config`.

        Raises:
            ConfigError: A bad value, or more slots than the cluster's actors may have.
            ClusterError: There is no cluster at the address.
        """
        cluster = cluster or RayConfig()
        self.host = RayHost(env_config(config, overrides), cluster, num_envs, tasks, sandbox)
        if num_envs > self.host.capacity:
            raise ConfigError(
                f"num_envs = {num_envs}: `step` needs all episodes at once, but {cluster.max_actors} actors "
                f"hold {self.host.capacity}; raise max_actors or slots"
            )
        # A thread for each slot: they only wait, and one that waits for an actor must not hold others up.
        super().__init__(num_envs, remote=self.host, workers=num_envs)

    def _end_waiting(self) -> None:
        self.host.pool.end_waiting()


class RayAsyncEnv(DeepEyesAsyncEnv):
    """`DeepEyesAsyncEnv` with its episodes spread over the nodes of a cluster.

    More episodes than the actors have slots wait as they begin, which a rollout in lockstep cannot do.

    Attributes:
        host: The cluster's side: actors and images.
    """

    def __init__(
        self,
        num_envs: int = 1,
        config: EnvConfig | None = None,
        *,
        cluster: RayConfig | None = None,
        tasks: TaskSource | None = None,
        sandbox: Sandbox | None = None,
        **overrides: Any,
    ) -> None:
        """See `RayVectorEnv`; `num_envs` is how many episodes a driver should run at once."""
        cluster = cluster or RayConfig()
        self.host = RayHost(env_config(config, overrides), cluster, num_envs, tasks, sandbox)
        super().__init__(num_envs, remote=self.host, workers=num_envs)
