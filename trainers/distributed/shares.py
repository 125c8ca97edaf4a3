"""Who rolls out and who trains what: a round's requests and an update's trajectories among the processes.

A trajectory's light part (tokens, turns, reward) goes to every process, so that all come to the same
decisions without a leader. Its pictures, which are nearly all of its bytes, stay with the process that rolled
it out, until the one that trains on it or writes it down asks for them.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from agents.store.images import unread
from agents.store.record import to_line, trajectory_from_line
from agents.trajectory import Trajectory
from deepeyes_env.images import EncodedImage
from trainers.distributed.ranks import Ranks

Floats = npt.NDArray[np.float32]


def balanced(weights: Sequence[int], parts: int) -> list[list[int]]:
    """Split indices into parts of nearly equal weight: the heaviest first, each to the lightest part so far.

    The heaviest part weighs at most 4/3 of what the best split's does (Graham, 1969).

    Returns:
        Indices by part, ascending.
    """
    loads = [(0, part) for part in range(parts)]
    split: list[list[int]] = [[] for _ in range(parts)]
    for index in sorted(range(len(weights)), key=lambda i: (-weights[i], i)):
        load, part = heapq.heappop(loads)
        split[part].append(index)
        heapq.heappush(loads, (load + weights[index], part))
    return [sorted(part) for part in split]


def rejoined(ranks: Ranks, weights: Sequence[int], own: Sequence[Floats]) -> list[Floats]:
    """What all processes computed for their shares, for every item.

    Args:
        ranks: The processes.
        weights: As given to `balanced`; item `i` has `weights[i]` numbers.
        own: float32 `[weights[i]]` for each item of this process's share, in the order of the share.

    Returns:
        One array for each item, the same in every process.
    """
    rows: dict[int, Floats] = {}
    parts = ranks.gather(b"".join(row.tobytes() for row in own))
    for share, data in zip(balanced(weights, ranks.size), parts, strict=True):
        ends = np.cumsum([weights[i] for i in share])
        rows |= zip(share, np.split(np.frombuffer(data, np.float32), ends[:-1]), strict=False)
    return [rows[i].copy() for i in range(len(weights))]


def collected(ranks: Ranks, own: Sequence[Trajectory]) -> list[Trajectory]:
    """Everybody's trajectories, in the order of the processes; the others' come without their pictures.

    With requests that were dealt (`Ranks.deal`) that is the order of the requests.
    """
    if ranks.size == 1:
        return list(own)
    everything: list[Trajectory] = []
    for rank, lines in enumerate(ranks.gather(b"".join(to_line(one) for one in own))):
        if rank == ranks.rank:
            everything += own
        else:
            where = f"from process {rank}"
            everything += [trajectory_from_line(line, where, unread) for line in lines.splitlines()]
    return everything


def with_pictures(
    ranks: Ranks, trajectories: Sequence[Trajectory], wanted: Iterable[int]
) -> list[Trajectory]:
    """Some trajectories with their pictures, wherever those are.

    Args:
        ranks: The processes.
        trajectories: The same ones in every process; each picture is held by at least one of them.
        wanted: Which of them this process wants, by index.

    Returns:
        The wanted ones, in the order of `wanted`.
    """
    chosen = [trajectories[i] for i in wanted]
    if ranks.size == 1:
        return chosen
    held = {image.sha256: image for one in trajectories for image in one.images if image.data}
    missing = {image.sha256: image for one in chosen for image in one.images if image.sha256 not in held}
    asked = [set(names) for names in ranks.tell(sorted(missing))]
    holders = _holders(ranks, held, set().union(*asked))
    parcels = [
        _pack([held[name] for name in sorted(names) if holders.get(name) == ranks.rank]) for names in asked
    ]
    for parcel in ranks.exchange(parcels):
        for name, data in _unpack(parcel):
            image = missing[name]
            held[name] = EncodedImage(data, image.width, image.height, name).shared()
    return [replace(one, images=tuple(held[image.sha256] for image in one.images)) for one in chosen]


def _holders(ranks: Ranks, held: dict[str, EncodedImage], asked: set[str]) -> dict[str, int]:
    """Who sends which of the pictures that are asked for: the first process that holds it."""
    holders: dict[str, int] = {}
    for rank, names in enumerate(ranks.tell(sorted(asked & held.keys()))):
        for name in names:
            holders.setdefault(name, rank)
    return holders


def _pack(images: Sequence[EncodedImage]) -> bytes:
    """Names and sizes as a line of JSON, then the bytes one after the other."""
    head = json.dumps([[image.sha256, len(image.data)] for image in images]).encode()
    return b"\n".join([head, b"".join(image.data for image in images)])


def _unpack(parcel: bytes) -> list[tuple[str, bytes]]:
    head, _, data = parcel.partition(b"\n")
    images, begin = [], 0
    for name, size in json.loads(head):
        images.append((name, data[begin : begin + size]))
        begin += size
    return images
