"""For tests: a sandbox with walls missing, which shows that an attack succeeds where nothing stops it.

Nothing but tests imports this, and no setting leads here.
"""

from __future__ import annotations

from collections.abc import Set

from deepeyes_env.sandbox.base import SandboxLimits
from deepeyes_env.sandbox.local.client import LocalSandbox
from deepeyes_env.sandbox.local.guest.layers import LAYERS, Layer, Level
from deepeyes_env.sandbox.local.process import ZygoteProcess


def weakened(
    limits: SandboxLimits | None = None,
    *,
    level: Level = Level.FULL,
    without: Set[Layer] = frozenset(),
    slots: int | None = None,
    ahead: int = 0,
) -> LocalSandbox:
    """A sandbox at exactly this level, less some layers.

    Args:
        limits: Limits of each session.
        level: The level; no other one takes over.
        without: The layers to leave out. `USER_NAMESPACE` and `MOUNT_NAMESPACE` carry others and cannot be
            left out alone; the level without namespaces is made for that. `NO_NEW_PRIVILEGES` carries
            Landlock and seccomp, which an ordinary user cannot have without it.
        slots: Cells that run at the same time.
        ahead: Processes to fork in advance.

    Raises:
        ValueError: These layers cannot be left out, or the level does not have them.
    """
    missing = without - LAYERS[level]
    carriers = without & {Layer.USER_NAMESPACE, Layer.MOUNT_NAMESPACE}
    if missing or carriers:
        raise ValueError(f"not to be left out at level {level}: {', '.join(sorted(missing | carriers))}")
    return _Weakened(limits, level, frozenset(without), slots, ahead)


class _Weakened(LocalSandbox):
    def __init__(
        self,
        limits: SandboxLimits | None,
        level: Level,
        without: frozenset[Layer],
        slots: int | None,
        ahead: int,
    ) -> None:
        super().__init__(limits, slots=slots, ahead=ahead)
        self._at, self._without = level, without

    def _start_zygote(self) -> ZygoteProcess:
        return ZygoteProcess(self.limits, self._extras, self._at, self._without)
