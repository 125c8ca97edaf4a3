"""Whether the kernel ended a session because memory ran out: nobody's fault, as each keeps its own limit."""

from __future__ import annotations

import contextlib
import os

from deepeyes_env.sandbox.local.cgroup import Group

_EVERYWHERE = "/proc/vmstat"
_READ_BYTES = 1 << 16


class KillCounter:
    """The kernel's count of processes that it ended because memory ran out.

    A session that is found dead after the count has risen since its last sign of life is taken for one of
    them. Where it was another process, the session is not scored although it might have been: an error to the
    safe side.
    """

    def __init__(self, group: Group) -> None:
        """Open the nearest count there is.

        Args:
            group: The sandbox's control group; where it counts nothing, the groups around this process do, or
                the whole machine.
        """
        self._handle = -1
        for path in (*map(str, group.events), _EVERYWHERE):
            with contextlib.suppress(OSError):
                self._handle = os.open(path, os.O_RDONLY)
                return

    def close(self) -> None:
        """Count no more. Idempotent."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def read(self) -> int:
        """The count now; 0 where nobody counts."""
        try:
            data = os.pread(self._handle, _READ_BYTES, 0)
        except OSError:  # the group is gone, or this was closed: so is the sandbox
            return 0
        _, _, rest = data.rpartition(b"oom_kill ")
        return int(rest.split(None, 1)[0]) if rest else 0
