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
from deepeyes_env.sandbox.config import (
    E2BSandboxConfig,
    HttpSandboxConfig,
    LocalSandboxConfig,
    SandboxConfig,
)
from deepeyes_env.sandbox.local import Level, LocalSandbox, SandboxLevelWarning

AnySandboxConfig = LocalSandboxConfig | HttpSandboxConfig | E2BSandboxConfig

__all__ = [
    "CellResult",
    "CellStatus",
    "E2BSandboxConfig",
    "HttpSandboxConfig",
    "Level",
    "LocalSandbox",
    "LocalSandboxConfig",
    "Sandbox",
    "SandboxConfig",
    "SandboxError",
    "SandboxLevelWarning",
    "SandboxLimits",
    "SandboxUnavailableError",
    "Session",
    "open_local",
    "open_sandbox",
    "shared_sandbox",
]


def open_sandbox(config: AnySandboxConfig, limits: SandboxLimits | None = None) -> Sandbox:
    """The sandbox that `config` describes.

    Args:
        config: One of the sandbox configurations.
        limits: Limits of each session; the defaults when left out.

    Raises:
        SandboxUnavailableError: A library or a key is missing.
        ConfigError: An address or a token cannot be used.
    """
    if isinstance(config, HttpSandboxConfig):
        from deepeyes_env.sandbox.http import HttpSandbox

        return HttpSandbox(config, limits)
    if isinstance(config, E2BSandboxConfig):
        from deepeyes_env.sandbox.e2b import E2BSandbox

        return E2BSandbox(config, limits)
    return open_local(config, limits)


def open_local(
    config: LocalSandboxConfig, limits: SandboxLimits | None = None, *, slots: int | None = None
) -> LocalSandbox:
    """The sandbox on this machine.

    Args:
        config: Its settings.
        limits: Limits of each session; the defaults when left out.
        slots: Cells that run at the same time; the number of usable cores by default.

    Raises:
        SandboxUnavailableError: This is not Linux.
    """
    return LocalSandbox(
        limits,
        extras=config.extras,
        slots=slots,
        min_level=Level(config.min_level),
        ahead=config.ahead,
        max_sessions=config.max_sessions,
        memory_share=config.memory_share,
    )


def shared_sandbox(config: AnySandboxConfig | None = None, limits: SandboxLimits | None = None) -> Sandbox:
    """The process-wide sandbox with these settings; made at the first call, closed at exit.

    A forked process gets one of its own.

    Args:
        config: One of the sandbox configurations; the local sandbox when left out.
        limits: Limits of each session; the defaults when left out.
    """
    key = (os.getpid(), config or LocalSandboxConfig(), limits or SandboxLimits())
    # No lock, which a fork might copy while it is held: a sandbox that loses the race has no process yet.
    return _SHARED.get(key) or _SHARED.setdefault(key, open_sandbox(*key[1:]))


_SHARED: dict[tuple[int, AnySandboxConfig, SandboxLimits], Sandbox] = {}


@atexit.register
def _close_shared() -> None:
    for (owner, *_), sandbox in list(_SHARED.items()):
        if owner == os.getpid():
            sandbox.close()
