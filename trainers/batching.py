"""Deterministic orders: of prompts, of a training set, and of one update's trajectories in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.trajectory import Trajectory

ENDLESS = 2**31
"""Indices drawn from a source without a size."""


def shuffled(count: int, *seed: int) -> list[int]:
    """The numbers below `count` in an order that `seed` fixes."""
    return np.random.default_rng(seed).permutation(count).tolist()


def prompt_index(seed: int, draw: int, size: int | None) -> int:
    """Which task the run's draw number `draw` takes.

    Args:
        seed: The run's seed.
        draw: Number of the draw, from 0.
        size: Tasks in the source, at least 1: every epoch visits each of them once, in an order of its own.
            None means endless: a random index per draw.
    """
    if size is None:
        return int(np.random.default_rng((seed, draw)).integers(ENDLESS))
    epoch, position = divmod(draw, size)
    return shuffled(size, seed, epoch)[position]


def micro_batches(trajectories: Sequence[Trajectory], size: int) -> list[list[int]]:
    """Split one update's trajectories into forward passes of similar length, longest first.

    Sorting inside an update saves padding and leaves its gradient as it is; sorting the whole data set would
    save more, but then an update would see only short, that is easy, trajectories. The longest come first, so
    that a run that does not fit into memory fails at once.

    Returns:
        Indices into `trajectories`, at most `size` in a part.
    """
    order = sorted(range(len(trajectories)), key=lambda i: (-len(trajectories[i].input_ids), i))
    return [order[start : start + size] for start in range(0, len(order), size)]
