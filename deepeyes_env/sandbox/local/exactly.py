"""A sandbox at one level and no other: how `deepeyes sandbox check` looks at a level that is not chosen."""

from __future__ import annotations

from collections.abc import Sequence

from deepeyes_env.sandbox.base import SandboxLimits
from deepeyes_env.sandbox.local.client import LocalSandbox
from deepeyes_env.sandbox.local.guest.layers import Level
from deepeyes_env.sandbox.local.levels import start_at
from deepeyes_env.sandbox.local.process import ZygoteProcess


class SandboxAt(LocalSandbox):
    """A `LocalSandbox` that does not fall back: a refused layer is a `MissingLayerError`."""

    def __init__(self, level: Level, limits: SandboxLimits | None = None, extras: Sequence[str] = ()) -> None:
        """Prepare it; see `LocalSandbox`.

        Args:
            level: The level; no other one takes over.
            limits: Limits of each session.
            extras: Libraries beyond NumPy, Pillow and Matplotlib.
        """
        super().__init__(limits, extras=extras, ahead=0)
        self._at = level

    def _start_zygote(self) -> ZygoteProcess:
        return start_at(self.limits, self._extras, self._at)
