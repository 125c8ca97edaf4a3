"""Packing: several trajectories in one row of tokens, so that no forward pass computes padding.

Rows are made of one optimiser batch at a time: which trajectories an update sees, and its gradient, stay what
they are without packing.
"""

from __future__ import annotations

from collections.abc import Sequence


def packed_rows(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Spread sequences over few rows of similar length, by first fit and then balanced.

    First-fit decreasing needs at most 11/9 of the fewest rows possible, and 6/9 of a row more (Dosa 2007).
    The rows are then filled anew, each sequence into the emptiest, because attention costs the square of a
    row: kept where the fullest row does not grow.

    Args:
        lengths: Tokens of each sequence.
        capacity: Most tokens of a row; a longer sequence gets a row of its own.

    Returns:
        Indices into `lengths`, row by row, the fullest row first.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    alone = [[i] for i in order if lengths[i] > capacity]
    order = order[len(alone) :]
    rows: list[list[int]] = []
    loads: list[int] = []
    for i in order:
        row = next((r for r, load in enumerate(loads) if load + lengths[i] <= capacity), len(rows))
        if row == len(rows):
            rows.append([])
            loads.append(0)
        rows[row].append(i)
        loads[row] += lengths[i]
    rows = _balanced(order, lengths, len(rows), max(loads, default=0)) or rows
    return sorted(alone + rows, key=lambda row: (-sum(lengths[i] for i in row), row))


def _balanced(order: Sequence[int], lengths: Sequence[int], count: int, most: int) -> list[list[int]] | None:
    """`count` rows, each sequence into the emptiest; None if one would outgrow `most`."""
    rows: list[list[int]] = [[] for _ in range(count)]
    loads = [0] * count
    for i in order:
        row = min(range(count), key=lambda r: (loads[r], r))
        rows[row].append(i)
        loads[row] += lengths[i]
    return rows if max(loads, default=0) <= most else None
