"""One optimiser update, shared by both trainers: gradients in, clipped AdamW step out, under `accelerate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler
from transformers import PreTrainedModel

from deepeyes_env.errors import ConfigError
from trainers.config import DapoConfig, SftConfig


@dataclass(frozen=True, slots=True)
class Update:
    """One optimiser update.

    Attributes:
        grad_norm: Norm of the gradient before clipping.
        learning_rate: Rate that was used.
    """

    grad_norm: float
    learning_rate: float


class Engine:
    """A model with its optimiser and schedule.

    Args:
        accelerator: Places tensors, runs backward and clips.
        model: Trained in place; parameters that do not require a gradient stay as they are.
        optimizer: Over the model's trainable parameters.
        scheduler: Of `optimizer`; advances with every update.
        max_grad_norm: Gradients are clipped to this norm.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: PreTrainedModel,
        optimizer: AdamW,
        scheduler: LRScheduler,
        max_grad_norm: float,
    ) -> None:
        self.accelerator = accelerator
        self.model, self._optimizer = accelerator.prepare(model, optimizer)
        self._scheduler = scheduler
        self._max_grad_norm = max_grad_norm

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of `loss`."""
        self.accelerator.backward(loss)

    def update(self) -> Update:
        """Clip the gradient, step and forget it."""
        rate = self._scheduler.get_last_lr()[0]
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self._max_grad_norm)
        self._optimizer.step()
        self._scheduler.step()
        self._optimizer.zero_grad(set_to_none=True)
        return Update(grad_norm=float(norm), learning_rate=float(rate))

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs besides the weights."""
        return {
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict()`."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"]:
            torch.cuda.set_rng_state_all(state["cuda_rng"])


def accelerator(config: SftConfig | DapoConfig, run_dir: Path | None) -> Accelerator:
    """The accelerator of a run.

    Raises:
        ConfigError: It was launched with several processes, or a tracker cannot be used.
    """
    _check_trackers(config.trackers, run_dir)
    made = Accelerator(log_with=list(config.trackers) or None, project_dir=run_dir)
    if made.num_processes > 1:
        raise ConfigError(
            f"num_processes = {made.num_processes}: the trainers run in one process; launch one"
        )
    return made


def _check_trackers(trackers: Sequence[str], run_dir: Path | None) -> None:
    """Accelerate drops a tracker that is not installed without a word."""
    installed = {str(tracker) for tracker in get_available_trackers()}
    missing = [name for name in trackers if name not in installed]
    if missing:
        raise ConfigError(f"trackers = {missing!r}: not installed; pip install {' '.join(missing)}")
    if trackers and run_dir is None:
        raise ConfigError(f"trackers = {list(trackers)!r}: give the run a directory for their files")


@contextmanager
def training(model: PreTrainedModel) -> Iterator[None]:
    """Training mode inside, evaluation mode (in which policies sample) after."""
    model.train()
    try:
        yield
    finally:
        model.eval()


@contextmanager
def checkpointing(model: PreTrainedModel, really: bool = True) -> Iterator[None]:
    """Compute activations of whole layers again on the way back inside the block, while training.

    Without re-entrance: with it, layers whose inputs require no gradient would get none.
    """
    if really:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    try:
        yield
    finally:
        if really:
            model.gradient_checkpointing_disable()


@contextmanager
def frozen(module: torch.nn.Module, really: bool = True) -> Iterator[None]:
    """Take `module`'s parameters out of training inside the block."""
    parameters = [p for p in module.parameters() if p.requires_grad] if really else []
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
