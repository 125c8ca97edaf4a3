"""FSDP2 (`fully_shard`): every process has a part of each weight, its gradient and its optimiser state."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from accelerate import Accelerator
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer
from transformers import PreTrainedModel

from trainers.distributed.layouts.base import Gathered, IdlePass
from trainers.distributed.ranks import Ranks


class Fsdp2:
    """See `Layout`."""

    name = "fsdp2"
    sharded = True

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
        self._shell = _shell(model)
        self.model, self._wrapped = accelerator.prepare(model, optimizer)
        self._optimizer = optimizer
        self._max_grad_norm = max_grad_norm

    @property
    def plain(self) -> Any:
        """See `Layout.plain`."""
        return self._accelerator.unwrap_model(self.model)

    def backward(self, loss: Tensor) -> None:
        """See `Layout.backward`."""
        # FSDP averages over the processes.
        self._accelerator.backward(loss * self._ranks.size)

    def step(self, idle: IdlePass) -> float:
        """See `Layout.step`."""
        found = self._accelerator.clip_grad_norm_(self.model.parameters(), self._max_grad_norm)
        norm = float(found.full_tensor() if isinstance(found, DTensor) else found)
        if math.isfinite(norm):
            self._wrapped.step()
        self._wrapped.zero_grad(set_to_none=True)
        return norm

    def whole(self) -> Any:
        """See `Layout.whole`."""
        weights = self._accelerator.get_state_dict(self.model)
        return Gathered(self._shell, weights) if self._ranks.first else None

    def load_weights(self, directory: Path) -> None:
        """See `Layout.load_weights`."""
        stored: dict[str, Any] = {}
        if self._ranks.first:
            model = type(self._shell).from_pretrained(directory / "model", dtype=self.plain.dtype)
            stored = model.state_dict()
        options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
        set_model_state_dict(self.model, stored, options=options)

    def save_optimizer(self, directory: Path) -> None:
        """See `Layout.save_optimizer`."""
        dcp.save(get_optimizer_state_dict(self.model, self._optimizer), checkpoint_id=directory / "optimizer")

    def load_optimizer(self, directory: Path) -> None:
        """See `Layout.load_optimizer`."""
        state = get_optimizer_state_dict(self.model, self._optimizer)
        dcp.load(state, checkpoint_id=directory / "optimizer")
        set_optimizer_state_dict(self.model, self._optimizer, state)


def _shell(model: PreTrainedModel) -> PreTrainedModel:
    """The model without weights, to write checkpoints with.

    `fully_shard` gives the model a class of another name, and `save_pretrained` finds the names that weights
    have in checkpoints by the class.
    """
    with torch.device("meta"):
        shell = type(model)(model.config)
    shell.generation_config = model.generation_config
    return shell
