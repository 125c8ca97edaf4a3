"""How many actors there should be; pure."""

from __future__ import annotations


def actors_wanted(episodes: int, slots: int, fewest: int, most: int) -> int:
    """As many actors as the episodes fill, within bounds.

    Args:
        episodes: Those that have a slot and those that wait for one.
        slots: Of an actor.
        fewest: Actors that are kept at any rate.
        most: Actors that there may be.
    """
    return min(max(-(-episodes // slots), fewest), most)
