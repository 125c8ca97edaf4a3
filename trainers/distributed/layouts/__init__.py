"""How a model in training is spread over the processes: one layout a file, chosen by accelerate's settings.

- `replicated`: every process has all of it; one process, or plain data parallelism.
- `fsdp2`: every process has a part of weights, gradients and optimiser state.
- `zero3`: the same by DeepSpeed.
"""

from __future__ import annotations

from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch.optim import Optimizer
from transformers import PreTrainedModel

from deepeyes_env.errors import ConfigError
from trainers.distributed.layouts.base import Layout
from trainers.distributed.layouts.fsdp2 import Fsdp2
from trainers.distributed.layouts.replicated import Replicated
from trainers.distributed.layouts.zero3 import Zero3
from trainers.distributed.ranks import Ranks
from trainers.lora import has_adapters

__all__ = ["Layout", "spread"]


def spread(
    accelerator: Accelerator, ranks: Ranks, model: PreTrainedModel, optimizer: Optimizer, max_grad_norm: float
) -> Layout:
    """Spread a model and its optimiser as accelerate was told to.

    Args:
        accelerator: Knows how.
        ranks: The processes.
        model: Changed in place; the same in every process.
        optimizer: Over the model's trainable parameters.
        max_grad_norm: Gradients are clipped to this norm.

    Raises:
        ConfigError: Accelerate was configured for something that the trainers cannot do.
    """
    kind = accelerator.distributed_type
    if has_adapters(model) and kind in (DistributedType.DEEPSPEED, DistributedType.FSDP):
        raise ConfigError(
            "lora_rank: adapters are not trained beside a sharded model; they need little more memory than "
            "the weights, so launch with configs/accelerate/ddp.yaml"
        )
    if kind is DistributedType.DEEPSPEED:
        return Zero3(accelerator, ranks, model, optimizer, max_grad_norm)
    if kind is DistributedType.FSDP:
        if not accelerator.is_fsdp2:
            raise ConfigError("fsdp_version = 1: the trainers use FSDP2; set fsdp_version: 2")
        return Fsdp2(accelerator, ranks, model, optimizer, max_grad_norm)
    if kind in (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU):
        return Replicated(accelerator, ranks, model, optimizer, max_grad_norm)
    raise ConfigError(
        f"distributed_type = {kind.value}: the trainers know MULTI_GPU, FSDP (version 2) and DEEPSPEED "
        "(ZeRO-3); see configs/accelerate/"
    )
