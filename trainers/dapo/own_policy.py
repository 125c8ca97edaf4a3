"""The policy in this process: the model in training itself, or a copy of it to sample ahead with."""

from __future__ import annotations

import copy
from typing import Any

import torch

from agents.policy import Policy
from agents.transformers_policy import TransformersPolicy
from deepeyes_env.errors import ConfigError
from trainers.config import DapoConfig


def own_policy(config: DapoConfig, model: Any, tokenizer: Any) -> TransformersPolicy:
    """The model itself, or with `config.staleness` a copy with weights of its own."""
    if not config.staleness:
        return TransformersPolicy(model, tokenizer)
    return TransformersPolicy(copy.deepcopy(model).eval().requires_grad_(False), tokenizer)


def move_policy(policy: Policy, device: torch.device) -> None:
    """Have a policy in this process sample where the model trains.

    The model itself is there already; a copy was made in main memory, before anybody knew of a device.

    Args:
        policy: The policy; one that somebody has put on an accelerator stays there.
        device: Where the model trains.
    """
    if isinstance(policy, TransformersPolicy) and policy.model.device.type == "cpu":
        policy.model.to(device)


def check_precisions(config: DapoConfig, policy: Policy, mixed_precision: str) -> None:
    """Refuse a policy in this process that computes otherwise than the trainer, unless that is corrected.

    Args:
        config: Settings.
        policy: What samples.
        mixed_precision: What accelerate computes in: `no`, `bf16`, `fp16` or `fp8`.

    Raises:
        ConfigError: It samples in float32 and training computes in less.
    """
    if config.mismatch != "off" or mixed_precision == "no" or not isinstance(policy, TransformersPolicy):
        return
    if policy.model.dtype == torch.float32:
        raise ConfigError(
            f"mismatch = 'off': the policy in this process samples in float32 and training computes in "
            f"{mixed_precision}, so the importance ratio would begin away from 1; set train.mismatch = "
            '"token_truncate", or sample with vLLM (--backend vllm)'
        )
