"""What to do about a wall that this machine refuses."""

from __future__ import annotations

from deepeyes_env.errors import Portable
from deepeyes_env.sandbox.base import SandboxUnavailableError
from deepeyes_env.sandbox.local.guest.layers import NAMESPACE_LAYERS, Layer

_LANDLOCK = (
    "boot a kernel of version 6.2 or later (5.13 where there are namespaces) with `landlock` in its `lsm=` "
    "list; in a container update the "
    "runtime, whose profile may refuse it"
)
_MENDS = {
    Layer.UNPRIVILEGED_USER: "run as an ordinary user, or with a Python and a TMPDIR that other users can "
    "reach (`chmod o+x` on the directories above them, such as /root)",
    Layer.PRIVATE_DIRECTORY: "set TMPDIR to a directory that can be written",
    Layer.LANDLOCK_FILES: _LANDLOCK,
    Layer.LANDLOCK_TCP: "use a kernel of version 6.7 or later",
    Layer.LANDLOCK_SCOPE: "use a kernel of version 6.12 or later",
    Layer.SECCOMP: "use a kernel built with CONFIG_SECCOMP_FILTER",
}
_NAMESPACES = (
    "allow unprivileged user namespaces: `sysctl -w user.max_user_namespaces=15000`, on Debian "
    "`kernel.unprivileged_userns_clone=1`, on Ubuntu `kernel.apparmor_restrict_unprivileged_userns=0`; in "
    "Docker start the container with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`"
)
_OTHER = "run as an ordinary user on a recent Linux, outside of a container"


class MissingLayerError(Portable, SandboxUnavailableError):
    """One wall cannot be built here.

    Attributes:
        layer: Which one.
        cause: What the kernel said.
    """

    def __init__(self, layer: Layer, cause: str) -> None:
        """Name the wall, the cause and the mend."""
        self.layer = layer
        self.cause = cause
        super().__init__(f"the sandbox cannot isolate code here: {self.what}. Mend: {mend(layer)}.")

    @property
    def what(self) -> str:
        """The layer and the cause."""
        return f"the layer {self.layer.value!r} is refused ({self.cause})"


def mend(layer: Layer) -> str:
    """How to make a refused layer possible."""
    return _MENDS.get(layer) or (_NAMESPACES if layer in NAMESPACE_LAYERS else _OTHER)
