"""Sandboxes: where the policy's code runs."""

from __future__ import annotations

import atexit
import os

from deepeyes_env.sandbox.base import (
    CellResult,
    CellStatus,
    Sandbox,
    SandboxError,
    SandboxLimits,
    SandboxUnavailableError,
    Session,
)
from deepeyes_env.sandbox.local import LocalSandbox

__all__ = [
    "CellResult",
    "CellStatus",
    "LocalSandbox",
    "Sandbox",
    "SandboxError",
    "SandboxLimits",
    "SandboxUnavailableError",
    "Session",
    "shared_local",
]


def shared_local(limits: SandboxLimits | None = None) -> Sandbox:
    """The process-wide local sandbox with these limits; made at the first call, closed at exit.

    A forked process gets one of its own.

    Args:
        limits: Limits of each session; the defaults when left out.
    """
    key = (os.getpid(), limits or SandboxLimits())
    # No lock, which a fork might copy while it is held: a sandbox that loses the race has no process yet.
    return _SHARED.get(key) or _SHARED.setdefault(key, LocalSandbox(key[1]))


_SHARED: dict[tuple[int, SandboxLimits], LocalSandbox] = {}


@atexit.register
def _close_shared() -> None:
    for sandbox in list(_SHARED.values()):
        sandbox.close()
