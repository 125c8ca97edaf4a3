"""Trails of facts: where a question that leads over several pages can begin."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from deepeyes_env.tasks.worlds.fictional.facts import Thing, followed
from deepeyes_env.tasks.worlds.fictional.world import World

Trail = tuple[str, ...]
"""Facts, each of what the one before it named: `("founder", "birthplace", "river")`."""

T = TypeVar("T", bound=Thing)


def draw_start(rng: random.Random, world: World, things: Sequence[T], *trails: Trail) -> T:
    """One of `things` from which none of the trails breaks off."""
    while True:
        thing = rng.choice(things)
        if all(followed(world, thing, trail) is not None for trail in trails):
            return thing


def end_of(world: World, thing: Thing, trail: Trail) -> str:
    """Where a trail ends that does not break off."""
    end = followed(world, thing, trail)
    assert end is not None, f"{trail} breaks off at {thing.name}"
    return end
