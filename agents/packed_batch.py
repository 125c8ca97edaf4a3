"""Several trajectories as one row of a batch, without padding and without seeing each other.

Qwen2.5-VL takes a fourth row of positions that counts the tokens of each trajectory from 0. Where it restarts
a new sequence begins (transformers `find_packed_sequence_indices`): SDPA gets a block-diagonal mask,
FlashAttention the sequences' lengths. The rotary positions restart too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch

from agents.batch import Batch, collate
from agents.pixels import PixelCache
from agents.trajectory import Trajectory
from agents.vocabulary import Vocabulary


def collate_packed(trajectories: Sequence[Trajectory], vocabulary: Vocabulary, pixels: PixelCache) -> Batch:
    """Lay trajectories one after the other.

    Args:
        trajectories: At least one, each with any number of images.
        vocabulary: The tokenizer by its names.
        pixels: Prepares the images.

    Returns:
        A batch of one row of `T` tokens in all, with `position_ids` int64 `[4, 1, T]`: the place in the own
        trajectory, then the rotary positions. What `agents.batch` computes of it is what it computes of the
        trajectories, because nothing is sampled at the beginning of one.

    Raises:
        TrajectoryError: As `collate`.
    """
    alone = [collate([trajectory], vocabulary, pixels) for trajectory in trajectories]
    joined: dict[str, Any] = {
        field.name: _join([getattr(one, field.name) for one in alone]) for field in fields(Batch)
    }
    places = [torch.arange(one.input_ids.shape[1])[None, None] for one in alone]
    rotary = torch.cat([one.position_ids for one in alone], dim=2)
    joined["position_ids"] = torch.cat([torch.cat(places, dim=2), rotary])
    for name in ("pixel_values", "image_grid_thw"):
        seen = [part for one in alone if (part := getattr(one, name)) is not None]
        joined[name] = torch.cat(seen) if seen else None
    return Batch(**joined)


def _join(parts: list[torch.Tensor | None]) -> torch.Tensor | None:
    """`[1, T]` each, one after the other; of other shapes nothing is known here."""
    rows = [part for part in parts if part is not None and part.ndim == 2 and part.shape[0] == 1]
    return torch.cat(rows, dim=1) if len(rows) == len(parts) else None
