"""How many actors there should be; pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of all actors together.

    Attributes:
        held: Episodes that have a slot.
        waiting: Episodes that wait for one.
    """

    held: int
    waiting: int


def actors_wanted(load: Load, slots: int, fewest: int, most: int) -> int:
    """As many actors as the episodes fill, within bounds.

    Args:
        load: The episodes.
        slots: Of an actor.
        fewest: Actors that are kept at any rate.
        most: Actors that there may be.
    """
    filled = -(-(load.held + load.waiting) // slots)
    return min(max(filled, fewest), most)
