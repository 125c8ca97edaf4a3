"""Whether the kernel ended a session because memory ran out: nobody's fault, as each keeps its own limit."""

from __future__ import annotations

import threading

from deepeyes_env.sandbox.local.cgroup import Group


class OutOfMemory:
    """Counts the kernel's kills in a control group that explain no end yet. Safe to use from many threads."""

    def __init__(self, group: Group) -> None:
        """Count from now on.

        Args:
            group: The sandbox's own, or none; then it is the one around this process that counts.
        """
        self._group = group
        self._explained = group.kills()
        self._lock = threading.Lock()

    def explains_one(self) -> bool:
        """Whether there is a kill for a session that has just been found dead; each explains one."""
        with self._lock:
            if self._group.kills() <= self._explained:
                return False
            self._explained += 1
            return True
