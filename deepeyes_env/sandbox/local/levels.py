"""Which level of isolation this machine gives: found by building it, never by reading version numbers."""

from __future__ import annotations

import platform
import sys
import warnings
from collections.abc import Sequence

from deepeyes_env.sandbox.base import SandboxLimits, SandboxUnavailableError
from deepeyes_env.sandbox.local.cgroup import Totals
from deepeyes_env.sandbox.local.findings import Finding, landlock_gaps
from deepeyes_env.sandbox.local.guest import landlock
from deepeyes_env.sandbox.local.guest.layers import NAMESPACE_LAYERS, Layer, Level
from deepeyes_env.sandbox.local.guest.syscalls import MACHINES
from deepeyes_env.sandbox.local.mends import MissingLayerError, mend
from deepeyes_env.sandbox.local.process import ZygoteProcess, close_guest, wait_until_ready


class SandboxLevelWarning(UserWarning):
    """The sandbox runs with less isolation than Linux can give."""


def require_linux() -> None:
    """Refuse where there is nothing to build walls from.

    Raises:
        SandboxUnavailableError: This is not Linux, or a processor whose system calls are not listed.
    """
    if sys.platform != "linux":
        raise SandboxUnavailableError(
            f"the local sandbox needs Linux (namespaces, Landlock, seccomp), and this is {sys.platform}. "
            "Mend: use a Linux virtual machine or container, the sandbox 'e2b', or 'http' with a Linux "
            "machine that runs `deepeyes serve sandbox`."
        )
    if platform.machine() not in MACHINES:
        raise SandboxUnavailableError(
            f"the local sandbox knows the system calls of {' and '.join(MACHINES)}, and this is "
            f"{platform.machine()}"
        )


def start(
    limits: SandboxLimits, extras: Sequence[str], min_level: Level, totals: Totals | None = None
) -> ZygoteProcess:
    """Start a zygote at the highest level that this machine gives.

    Where it is not the highest, or the kernel does not have all of its layers, a `SandboxLevelWarning` names
    what is missing.

    Args:
        limits: The limits of its guests.
        extras: Libraries beyond the core set.
        min_level: The lowest level to accept.
        totals: The limits of the whole sandbox; this machine's by default.

    Raises:
        SandboxUnavailableError: No accepted level can be had; it names the missing layer and the mend.
        SandboxError: The zygote does not start for another reason.
    """
    try:
        return _warned(start_at(limits, extras, Level.FULL, totals))
    except MissingLayerError as error:
        if error.layer not in NAMESPACE_LAYERS:
            raise
        full = error
    if min_level is Level.FULL:
        raise SandboxUnavailableError(
            f"{full} Or accept the level without namespaces: min_level = {Level.NO_NAMESPACES.value!r}."
        ) from full
    try:
        zygote = start_at(limits, extras, Level.NO_NAMESPACES, totals)
    except MissingLayerError as error:
        raise SandboxUnavailableError(
            f"the sandbox cannot isolate code here at any level. {Level.FULL}: {full.what}; mend: "
            f"{mend(full.layer)}. {Level.NO_NAMESPACES}: {error.what}; mend: {mend(error.layer)}."
        ) from error
    return _warned(
        zygote,
        f"the sandbox runs at the level {Level.NO_NAMESPACES.value!r} (Landlock, seccomp and limits only), "
        f"because {full.what}. Mend: {mend(full.layer)}. "
        f"To refuse instead, set min_level = {Level.FULL.value!r}.",
    )


def gaps(level: Level) -> dict[Layer, Finding]:
    """What this kernel's Landlock does not have, and a sandbox at this level does without.

    With namespaces that is all of it, for it is the second wall there. Without them nothing else keeps files
    apart, so that part is never done without. Where something other than the kernel refuses Landlock there
    are no gaps: the zygote meets the refusal, and names it.

    Args:
        level: The level.
    """
    try:
        found = landlock_gaps(landlock.version())
    except OSError:
        return {}
    if level is Level.NO_NAMESPACES:
        found.pop(Layer.LANDLOCK_FILES, None)
    return found


def _warned(zygote: ZygoteProcess, *texts: str) -> ZygoteProcess:
    """Say what is missing, when the sandbox first starts; who makes the warning an error gets no sandbox."""
    try:
        for text in (*texts, *_gap_texts(zygote.level)):
            warnings.warn(text, SandboxLevelWarning, stacklevel=3)
    except SandboxLevelWarning:
        zygote.close()
        raise
    return zygote


def _gap_texts(level: Level) -> list[str]:
    missing = [f"{layer.value!r} ({gap.cause}; mend: {gap.mend})" for layer, gap in gaps(level).items()]
    if not missing:
        return []
    return [
        f"the sandbox runs at the level {level.value!r} without {' and '.join(missing)}; its other layers "
        "hold alone. To refuse instead, make this warning an error."
    ]


def start_at(
    limits: SandboxLimits, extras: Sequence[str], level: Level, totals: Totals | None = None
) -> ZygoteProcess:
    """Start a zygote at this level, and see that a guest's walls can be built too.

    What `gaps` names is left out.

    Raises:
        MissingLayerError: A wall is refused.
        SandboxError: The zygote does not start for another reason.
    """
    zygote = ZygoteProcess(limits, extras, level, frozenset(gaps(level)), totals)
    try:
        guest = zygote.fork()
        try:
            wait_until_ready(guest)
        finally:
            close_guest(guest)
    except BaseException:
        zygote.close()
        raise
    return zygote
