"""Trajectories as model input: what both trainers need to score them under the current weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from agents.batch import Batch, collate
from agents.packed_batch import collate_packed
from agents.pixels import PixelCache
from agents.trajectory import Trajectory
from agents.vocabulary import Vocabulary
from trainers.distributed.blank import with_blank_picture


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """Makes batches for one model.

    Attributes:
        vocabulary: The tokenizer by its names.
        pixels: Prepares images; shared with the policy that samples, each image is prepared once.
        banned: bool `[V]`, the ids that are never sampled.
        device: Where the model is.
        always_pictures: Give a batch without pictures a blank one: where the model is sharded, all processes
            have to go through all of it.
    """

    vocabulary: Vocabulary
    pixels: PixelCache
    banned: torch.Tensor
    device: torch.device
    always_pictures: bool = False

    def batch(self, trajectories: Sequence[Trajectory]) -> Batch:
        """Pad `trajectories` into one batch on the model's device."""
        return collate(self._seen(trajectories), self.vocabulary, self.pixels).to(self.device)

    def row(self, trajectories: Sequence[Trajectory]) -> Batch:
        """Pack `trajectories` into one row on the model's device."""
        return collate_packed(self._seen(trajectories), self.vocabulary, self.pixels).to(self.device)

    def _seen(self, trajectories: Sequence[Trajectory]) -> Sequence[Trajectory]:
        if not self.always_pictures or any(one.images for one in trajectories):
            return trajectories
        return [with_blank_picture(trajectories[0], self.vocabulary), *trajectories[1:]]
