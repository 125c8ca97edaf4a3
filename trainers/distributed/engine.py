"""One optimiser update, shared by both trainers: gradients in, clipped AdamW step out, under `accelerate`.

How the model is spread over processes is in `layouts`; here it looks the same in one process and in many.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from accelerate.utils import GradientAccumulationPlugin
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler
from transformers import PreTrainedModel

from deepeyes_env.errors import ConfigError
from trainers.config import DapoConfig, SftConfig
from trainers.distributed.layouts import spread
from trainers.distributed.layouts.base import IdlePass, NotFinite
from trainers.distributed.ranks import Ranks, launched
from trainers.distributed.shares import balanced

T = TypeVar("T")

MOST_SKIPPED = 5
"""Updates in a row whose gradient is not finite, after which none is expected to be: a batch that does not
fit is one of many, but the weights that made the gradient are still the same."""


@dataclass(frozen=True, slots=True)
class Update:
    """One optimiser update.

    Attributes:
        grad_norm: Norm of the gradient before clipping.
        learning_rate: Rate that was used.
        skipped: Whether the gradient was not finite, so that weights, optimiser and schedule are as before.
    """

    grad_norm: float
    learning_rate: float
    skipped: bool = False


class Engine:
    """A model with its optimiser and schedule, in one process or spread over many.

    `backward` adds the gradient of this process's share of a loss; `update` sums the shares. So the shares
    have to add up to the loss: each is divided by what the *whole* loss is divided by.

    Args:
        accelerator: Knows the processes and how the model is spread over them.
        model: Trained in place; parameters that do not require a gradient stay as they are.
        optimizer: Over the model's trainable parameters.
        scheduler: Of `optimizer`; advances with every update.
        max_grad_norm: Gradients are clipped to this norm.

    Attributes:
        ranks: The processes.
        idle: Gives the loss of a pass that adds nothing; `passes` needs it where the model is sharded.
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
        self.ranks = Ranks()
        self.idle: IdlePass = _no_idle_pass
        self._layout = spread(accelerator, self.ranks, model, optimizer, max_grad_norm)
        self._scheduler = scheduler
        self._skipped = 0  # in a row

    @property
    def model(self) -> Any:
        """What is called to score a batch."""
        return self._layout.model

    @property
    def plain(self) -> Any:
        """The same as a Hugging Face model, with such weights as this process has."""
        return self._layout.plain

    @property
    def sharded(self) -> bool:
        """Whether a process holds only a part of the weights."""
        return self._layout.sharded

    @property
    def layout(self) -> str:
        """Name of the way in which the model is spread over the processes."""
        return self._layout.name

    def share(self, weights: Sequence[int]) -> list[int]:
        """Which of an update's items this process computes.

        Args:
            weights: How much work each is; the same in every process.

        Returns:
            Indices, ascending; together the processes have each index once.
        """
        return balanced(weights, self.ranks.size)[self.ranks.rank]

    def passes(self, parts: Sequence[T], *, backward: bool = True) -> Iterator[T]:
        """Go through this process's forward passes, then make idle ones until all have made equally many.

        Where the model is sharded, a pass needs all processes; elsewhere these are just the parts. Every
        process has to go through them to the end.

        Args:
            parts: What this process passes forward, a part at a time.
            backward: Whether each pass is followed by `backward`.
        """
        most = max(self.ranks.tell(len(parts))) if self.sharded else len(parts)
        yield from parts
        for _ in range(most - len(parts)):
            with torch.set_grad_enabled(backward):
                loss = self.idle()
            if backward:
                self.backward(loss)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of `loss`, a share of the whole loss."""
        self._layout.backward(loss)

    def update(self) -> Update:
        """Sum the gradients over the processes, clip them, step and forget them.

        Raises:
            NotFinite: `MOST_SKIPPED` of them in a row were not finite.
        """
        rate = float(self._scheduler.get_last_lr()[0])
        norm = self._layout.step(self.idle)
        if math.isfinite(norm):
            self._skipped = 0
            self._scheduler.step()
            return Update(norm, rate)
        self._skipped += 1
        if self._skipped == MOST_SKIPPED:
            raise NotFinite(
                f"the gradients of {MOST_SKIPPED} updates in a row were not finite (the last norm: {norm}); "
                "they were skipped, and the weights are as before. See whether the weights of --model are "
                "finite and what the last batches hold; then resume, or begin anew from the model of the "
                "last checkpoint with a smaller train.learning_rate or in float32"
            )
        return Update(norm, rate, skipped=True)

    def whole(self) -> Any:
        """The model in one piece, as policies and checkpoints take it; None but in the first process.

        Collective, as `save` and `load`.
        """
        return self._layout.whole()

    def save(self, directory: Path) -> None:
        """Write what a resumed run needs besides the weights, into a directory that all processes see."""
        self._layout.save_optimizer(directory)
        states = [_load(told) for told in self.ranks.gather(_dump(_random_state()))]
        with self.ranks.together("writing the schedule"):
            if self.ranks.first:
                torch.save({"scheduler": self._scheduler.state_dict(), "random": states}, directory / STATE)

    def load(self, directory: Path) -> None:
        """Continue from a checkpoint: what `save` wrote, and the weights beside it (`lora.save_weights`)."""
        self._layout.load_weights(directory)
        self._layout.load_optimizer(directory)
        state = torch.load(directory / STATE, map_location="cpu", weights_only=True)
        self._scheduler.load_state_dict(state["scheduler"])
        # A run may go on with more processes than it had; those begin with a random state of their own.
        if self.ranks.rank < len(state["random"]):
            _set_random_state(state["random"][self.ranks.rank])


STATE = "state.pt"
"""File of the schedule and every process's random state."""


def _no_idle_pass() -> Tensor:
    raise RuntimeError("a sharded engine needs `idle`: some process has no pass left to make")


def _random_state() -> dict[str, Any]:
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def _set_random_state(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["cpu"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def _dump(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _load(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), weights_only=True)


def accelerator(config: SftConfig | DapoConfig, run_dir: Path | None) -> Accelerator:
    """The accelerator of a run.

    Raises:
        ConfigError: The processes that were launched do not find together, they were launched with a
            precision that cannot be resumed, or a tracker cannot be used.
    """
    _check_trackers(config.trackers, run_dir)
    # Losses are divided by what the whole update is divided by; accelerate would divide by its steps too,
    # if the environment or the launcher's configuration names some.
    whole = GradientAccumulationPlugin(num_steps=1)
    made = Accelerator(
        log_with=list(config.trackers) or None, project_dir=run_dir, gradient_accumulation_plugin=whole
    )
    if made.mixed_precision in ("fp16", "fp8"):
        raise ConfigError(
            f"mixed_precision = {made.mixed_precision!r}: a resumed run could not go on exactly, because its "
            "scale of the loss is not stored; launch with --mixed_precision bf16 or no"
        )
    if launched() > made.num_processes:
        raise ConfigError(
            f"{launched()} processes were launched, and accelerate found no GPU to join them on; set "
            "ACCELERATE_USE_CPU=true to train on CPUs"
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
    # Renamed in transformers 5.24.
    name = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"
    if really:
        getattr(model, f"{name}_checkpointing_enable")({"use_reentrant": False})
    try:
        yield
    finally:
        if really:
            getattr(model, f"{name}_checkpointing_disable")()


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
