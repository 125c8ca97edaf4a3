"""What goes wrong between an environment and the cluster of its episodes."""

from __future__ import annotations

from deepeyes_env.remote.error import RemoteError

REASON_CHARS = 500
"""Characters of what Ray says of a failure; where memory is short it lists all processes."""


class ClusterError(RemoteError):
    """The cluster cannot run an episode: it is gone or full, or no actor starts. Not the policy's fault."""


def reason(error: BaseException) -> str:
    """What Ray says of a failure, without the indented particulars."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line[0].isspace()]
    return " ".join(lines)[:REASON_CHARS] or type(error).__name__
