"""Every process has the whole model, and what they add up is gradients.

`DistributedDataParallel` would average, and wants every parameter in every backward pass: a batch without
pictures leaves out the vision tower. So the gradients are summed once per update, which is the same traffic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch import Tensor
from torch.optim import Optimizer
from transformers import PreTrainedModel

from trainers.distributed.layouts.base import IdlePass
from trainers.distributed.ranks import Ranks
from trainers.lora import load_weights

BUCKET_BYTES = 25 * 2**20
"""Gradients sent in one message (`DistributedDataParallel`'s `bucket_cap_mb`)."""


class Replicated:
    """See `Layout`; one process is the simplest case."""

    name = "replicated"
    sharded = False

    def __init__(
        self,
        accelerator: Accelerator,
        ranks: Ranks,
        model: PreTrainedModel,
        optimizer: Optimizer,
        max_grad_norm: float,
    ) -> None:
        self._accelerator = accelerator
        self._ranks = ranks
        # Evaluation mode means only that accelerate does not wrap it.
        self.model = accelerator.prepare_model(model, evaluation_mode=True)
        self._optimizer = accelerator.prepare_optimizer(optimizer)
        self._max_grad_norm = max_grad_norm

    @property
    def plain(self) -> Any:
        """See `Layout.plain`."""
        return self._accelerator.unwrap_model(self.model)

    def backward(self, loss: Tensor) -> None:
        """See `Layout.backward`."""
        self._accelerator.backward(loss)

    def step(self, idle: IdlePass) -> float:
        """See `Layout.step`."""
        self._sum_gradients()
        norm = float(self._accelerator.clip_grad_norm_(self.model.parameters(), self._max_grad_norm))
        if math.isfinite(norm):
            self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return norm

    def whole(self) -> Any:
        """See `Layout.whole`."""
        return self.plain if self._ranks.first else None

    def load_weights(self, directory: Path) -> None:
        """See `Layout.load_weights`."""
        load_weights(self.plain, directory)

    def save_optimizer(self, directory: Path) -> None:
        """See `Layout.save_optimizer`."""
        with self._ranks.together("writing the optimiser's state"):
            if self._ranks.first:
                torch.save(self._optimizer.state_dict(), directory / "optimizer.pt")

    def load_optimizer(self, directory: Path) -> None:
        """See `Layout.load_optimizer`."""
        stored = torch.load(directory / "optimizer.pt", map_location="cpu", weights_only=True)
        self._optimizer.load_state_dict(stored)

    def _sum_gradients(self) -> None:
        """Sum every gradient over the processes; what has none anywhere keeps none."""
        if self._ranks.size == 1:
            return
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        used = self._ranks.tell([parameter.grad is not None for parameter in trained])
        gradients = []
        for number, parameter in enumerate(trained):
            if any(one[number] for one in used):
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                gradients.append(parameter.grad)
        for bucket in _buckets(gradients):
            _sum_bucket(bucket)


def _buckets(gradients: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbours of one precision, up to `BUCKET_BYTES` or a single one above."""
    bucket: list[Tensor] = []
    for gradient in gradients:
        full = sum(one.nbytes for one in bucket) + gradient.nbytes > BUCKET_BYTES
        if bucket and (full or gradient.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(gradient)
    if bucket:
        yield bucket


def _sum_bucket(gradients: Sequence[Tensor]) -> None:
    """Send them as one: with a message each, a small model waits for the messages."""
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    for gradient, total in zip(gradients, flat.split([one.numel() for one in gradients]), strict=True):
        gradient.copy_(total.view_as(gradient))
