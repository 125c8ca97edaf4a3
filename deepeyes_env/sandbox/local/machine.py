"""What the sandbox stands on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from deepeyes_env.sandbox.local import cgroup
from deepeyes_env.sandbox.local.guest import landlock


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine and this process.

    Attributes:
        kernel: The kernel's release.
        processor: As `platform.machine()` says it.
        python: Version of the interpreter.
        user: Effective user id.
        landlock: Landlock's version; None if the kernel has none, or it is switched off or refused.
        cgroup: What a control group can bound for all sessions together, or why it cannot.
    """

    kernel: str
    processor: str
    python: str
    user: int
    landlock: int | None
    cgroup: str


def this_machine() -> Machine:
    """Look at this machine."""
    try:
        version = landlock.version() or None
    except OSError:
        version = None
    return Machine(
        kernel=platform.release(),
        processor=platform.machine(),
        python=platform.python_version(),
        user=os.geteuid(),
        landlock=version,
        cgroup=cgroup.describe(),
    )
