"""Trajectories as one padded batch, and their log-probabilities under the current weights.

The teacher-forced counterpart of `agents.transformers_policy`: the same positions, the same pixels, the same
distribution, so that with unchanged weights `token_logprobs` gives back what the policy recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from agents.chunked_logprobs import Wanted, scoring, unpack
from agents.pixels import PixelCache
from agents.positions import rope_positions
from agents.trajectory import Trajectory, TrajectoryError, check_tokens, check_trajectory
from agents.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """`B` trajectories padded on the right to `T` tokens.

    Attributes:
        input_ids: int64 `[B, T]`.
        attention_mask: int64 `[B, T]`, 0 on padding.
        loss_mask: bool `[B, T]`, True on sampled tokens.
        logprobs: float32 `[B, T]`, as recorded when sampled.
        mm_token_type_ids: int64 `[B, T]`, 1 on image placeholders; the model's own position code needs it.
        position_ids: int64 `[3, B, T]`, rotary positions.
        pixel_values: float32 `[P, 1176]`, all images in batch order, or None without images.
        image_grid_thw: int64 `[I, 3]`, or None without images.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    loss_mask: torch.Tensor
    logprobs: torch.Tensor
    mm_token_type_ids: torch.Tensor
    position_ids: torch.Tensor
    pixel_values: torch.Tensor | None
    image_grid_thw: torch.Tensor | None

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        moved: dict[str, Any] = {n: part if part is None else part.to(device) for n, part in parts.items()}
        return Batch(**moved)


def collate(trajectories: Sequence[Trajectory], vocabulary: Vocabulary, pixels: PixelCache) -> Batch:
    """Pad trajectories into one batch.

    Args:
        trajectories: `B >= 1` trajectories, each with any number of images.
        vocabulary: The tokenizer by its names.
        pixels: Prepares the images.

    Returns:
        The batch, on the CPU.

    Raises:
        TrajectoryError: A trajectory is not sound or not of this vocabulary (`check_trajectory`,
            `check_tokens`), or an image cannot be prepared; the message names the trajectory.
    """
    for trajectory in trajectories:
        # Not their hashes: the store compares them, and what is sampled here was hashed when it was made.
        check_trajectory(trajectory, hashes=False)
        check_tokens(trajectory, vocabulary)
    shape = len(trajectories), max(len(t.input_ids) for t in trajectories)
    ids = np.full(shape, vocabulary.pad, dtype=np.int64)
    attention, mask = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.bool_)
    logprobs, positions = np.zeros(shape, dtype=np.float32), np.zeros((3, *shape), dtype=np.int64)
    for row, trajectory in enumerate(trajectories):
        length = len(trajectory.input_ids)
        ids[row, :length] = trajectory.input_ids
        attention[row, :length] = 1
        mask[row, :length] = trajectory.loss_mask
        logprobs[row, :length] = trajectory.logprobs
        positions[:, row, :length], _ = rope_positions(length, trajectory.image_spans)
    pixel_values, grid = _prepare(trajectories, pixels)
    return Batch(
        input_ids=torch.from_numpy(ids),
        attention_mask=torch.from_numpy(attention),
        loss_mask=torch.from_numpy(mask),
        logprobs=torch.from_numpy(logprobs),
        mm_token_type_ids=torch.from_numpy((ids == vocabulary.image_pad).astype(np.int64)),
        position_ids=torch.from_numpy(positions),
        pixel_values=pixel_values,
        image_grid_thw=grid,
    )


def _prepare(
    trajectories: Sequence[Trajectory], pixels: PixelCache
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    images = [image for trajectory in trajectories for image in trajectory.images]
    if not images:
        return None, None
    try:
        return pixels(images)
    except ValueError:
        _raise_for_the_one_at_fault(trajectories, pixels)
        raise


def _raise_for_the_one_at_fault(trajectories: Sequence[Trajectory], pixels: PixelCache) -> None:
    for trajectory in trajectories:
        for number, image in enumerate(trajectory.images):
            try:
                pixels([image])
            except ValueError as error:
                raise TrajectoryError(
                    f"trajectory {trajectory.task_id!r} {trajectory.lineage}: image {number}: {error}"
                ) from error


def token_logprobs(model: Any, batch: Batch, banned: torch.Tensor) -> torch.Tensor:
    """Log-probability of every sampled token under the model's current weights, with gradient.

    Args:
        model: The model, or what accelerate wrapped around it.
        batch: On the model's device.
        banned: bool `[V]`, as `banned_mask` gives it.

    Returns:
        float32 `[B, T-1]`: entry `[b, t]` belongs to token `t + 1`; 0 where that token was not sampled.
    """
    return _scores(model, batch, banned, with_entropy=False)[0]


def token_logprobs_and_entropy(
    model: Any, batch: Batch, banned: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """`token_logprobs`, and the entropy in nats of the distribution that each token was drawn from.

    The entropy is float32 `[B, T-1]`, 0 where nothing was sampled, and carries no gradient.
    """
    return _scores(model, batch, banned, with_entropy=True)


def _scores(
    model: Any, batch: Batch, banned: torch.Tensor, *, with_entropy: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    wanted = batch.loss_mask[:, 1:]
    # The output layer only sees columns in which some row has a sampled token, and scores only those tokens:
    # a prompt has none, and the vocabulary is wide.
    columns = wanted.any(dim=0).nonzero().squeeze(1)
    tokens = Wanted(wanted[:, columns], batch.input_ids[:, 1:][wanted], banned, with_entropy)
    with scoring(model, tokens):
        # No attention mask: padding stands on the right, where causal attention does not look.
        scores = model(
            input_ids=batch.input_ids,
            position_ids=batch.position_ids,
            pixel_values=batch.pixel_values,
            image_grid_thw=batch.image_grid_thw,
            mm_token_type_ids=batch.mm_token_type_ids,
            use_cache=False,
            logits_to_keep=columns,
        ).logits
    chosen, entropy = unpack(scores)
    nothing = torch.zeros(wanted.shape, device=chosen.device)
    return nothing.masked_scatter(wanted, chosen), nothing.masked_scatter(wanted, entropy)
