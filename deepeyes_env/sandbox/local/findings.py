"""What is known of a layer on this machine, and which ones an older kernel does not have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from deepeyes_env.sandbox.local.guest.layers import Layer
from deepeyes_env.sandbox.local.mends import mend

_LANDLOCK_NEEDS = {Layer.LANDLOCK_FILES: 1, Layer.LANDLOCK_TCP: 4, Layer.LANDLOCK_SCOPE: 6}
"""Landlock's version that brought each layer (kernel `landlock.rst`); older ones are taken as they are."""


class State(StrEnum):
    """What is known of a layer."""

    AVAILABLE = "available"
    MISSING = "missing"
    UNKNOWN = "unknown"
    NOT_NEEDED = "not needed"
    """The sandbox is not started by root."""
    NOT_PART = "–"
    """The level does without it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of a layer at a level.

    Attributes:
        state: Whether it can be had.
        cause: Why not, or why nobody knows.
        mend: What to do about it.
    """

    state: State
    cause: str = ""
    mend: str = ""


def landlock_gaps(version: int | None) -> dict[Layer, Finding]:
    """The layers that an older Landlock does not have, and that the sandbox then does without."""
    here = f"Landlock has version {version}" if version else "Landlock is missing or switched off"
    return {
        layer: Finding(State.MISSING, f"{here} here, this needs version {least}", mend(layer))
        for layer, least in _LANDLOCK_NEEDS.items()
        if (version or 0) < least
    }
