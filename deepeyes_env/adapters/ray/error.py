"""What goes wrong between an environment and the cluster of its episodes."""

from __future__ import annotations

from deepeyes_env.remote.error import RemoteError


class ClusterError(RemoteError):
    """The cluster cannot run an episode: it is gone or full, or no actor starts. Not the policy's fault."""
