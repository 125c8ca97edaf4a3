"""DeepSpeed ZeRO-3: every process has a part of each weight, its gradient and its optimiser state."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch import Tensor
from torch.optim import Optimizer
from transformers import PreTrainedModel

from deepeyes_env.errors import ConfigError
from trainers.distributed.layouts.base import Gathered, IdlePass, NotFinite
from trainers.distributed.ranks import Ranks

TAG = "optimizer"
"""Name of DeepSpeed's own checkpoint inside ours."""


class Zero3:
    """See `Layout`."""

    name = "zero3"
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
        config = accelerator.state.deepspeed_plugin.deepspeed_config
        if config["zero_optimization"]["stage"] != 3:
            raise ConfigError(
                f"zero_stage = {config['zero_optimization']['stage']}: the trainers know ZeRO-3; below it "
                "plain MULTI_GPU is simpler (configs/accelerate/ddp.yaml)"
            )
        # DeepSpeed asks for it, and divides by nothing that we do not want divided.
        config["train_micro_batch_size_per_gpu"] = 1
        config["gradient_accumulation_steps"] = 1
        config["gradient_clipping"] = max_grad_norm
        self.model, _ = accelerator.prepare(model, optimizer)

    @property
    def plain(self) -> Any:
        """See `Layout.plain`."""
        return self._accelerator.unwrap_model(self.model)

    def backward(self, loss: Tensor) -> None:
        """See `Layout.backward`."""
        self._pass(loss, last=False)

    def step(self, idle: IdlePass) -> float:
        """See `Layout.step`."""
        # DeepSpeed steps inside the backward pass that is said to be the last: an idle one, so that nobody
        # has to know beforehand which that is.
        self._pass(idle(), last=True)
        norm = float(self._accelerator.deepspeed_engine_wrapped.get_global_grad_norm())
        if not math.isfinite(norm):
            raise NotFinite(
                f"the norm of the gradient is {norm}, and DeepSpeed may have stepped with it, so the weights "
                "may be lost; go on from the last checkpoint with --resume. If it happens again, begin anew "
                "from its `model` with a smaller train.learning_rate"
            )
        return norm

    def whole(self) -> Any:
        """See `Layout.whole`."""
        weights = self._accelerator.get_state_dict(self.model)
        return Gathered(self.plain, weights) if self._ranks.first else None

    def load_weights(self, directory: Path) -> None:
        """See `Layout.load_weights`; they come with the optimiser's state, in full precision."""

    def save_optimizer(self, directory: Path) -> None:
        """See `Layout.save_optimizer`."""
        self.model.save_checkpoint(str(directory), tag=TAG)

    def load_optimizer(self, directory: Path) -> None:
        """See `Layout.load_optimizer`."""
        self.model.load_checkpoint(str(directory), tag=TAG)

    def _pass(self, loss: Tensor, *, last: bool) -> None:
        # DeepSpeed averages over the processes.
        wrapper = self._accelerator.deepspeed_engine_wrapped
        wrapper.backward(loss * self._ranks.size, sync_gradients=last)
