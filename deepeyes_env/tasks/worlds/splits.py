"""Which split owns a plan key: disjoint by construction, the same in all families."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from deepeyes_env.task import Split

SPLIT_TENTHS: dict[Split, range] = {"train": range(0, 6), "validation": range(6, 8), "test": range(8, 10)}
"""Tenths of the key space that each split owns; disjoint, so that splits share no plan key."""


def split_by_hash(world: str, key: str) -> Split:
    """The split of one of countless keys: by its hash."""
    return _split_at(_hash(world, key) % 10)


def deal(world: str, keys: Iterable[str]) -> dict[str, Split]:
    """The splits of the things of one kind of which there are only dozens.

    They are dealt out in the order of their hashes, so that no split is left without, as hashes alone might.
    """
    ordered = sorted(keys, key=lambda key: _hash(world, key))
    return {key: _split_at(place * 10 // len(ordered)) for place, key in enumerate(ordered)}


def _hash(world: str, key: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{world}/{key}".encode()).digest()[:8], "big")


def _split_at(tenth: int) -> Split:
    return next(split for split, tenths in SPLIT_TENTHS.items() if tenth in tenths)
