"""The policy in this process: on the trainer's device, and in its precision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from agents.qwen import Qwen
from agents.transformers_policy import TransformersPolicy
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import ConfigError
from trainers.config import DapoConfig
from trainers.dapo import train
from trainers.dapo.own_policy import check_precisions, move_policy, own_policy
from trainers.dapo.train import train_dapo

CONFIG = DapoConfig(
    steps=1,
    prompts_per_step=1,
    group_size=2,
    minibatches=1,
    max_rounds=1,
    max_turn_tokens=4,
    staleness=1,
    progress=False,
)


def test_a_copy_goes_where_the_model_trains(tiny: Qwen) -> None:
    policy = own_policy(CONFIG, tiny.model, tiny.tokenizer)
    assert policy.model.device.type == "cpu"
    move_policy(policy, torch.device("meta"))
    assert {parameter.device.type for parameter in policy.model.parameters()} == {"meta"}
    move_policy(policy, torch.device("cpu"))
    assert policy.model.device.type == "meta", "whoever is on an accelerator stays there"


def test_training_moves_it(tiny: Qwen, guess_env: DeepEyesAsyncEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[tuple[Any, torch.device]] = []
    monkeypatch.setattr(train, "move_policy", lambda policy, device: moved.append((policy, device)))
    policy = own_policy(CONFIG, tiny.model, tiny.tokenizer)
    train_dapo(CONFIG, tiny.model, tiny.tokenizer, guess_env, policy=policy)
    assert moved == [(policy, Accelerator().device)]


@pytest.mark.parametrize(
    ("mixed", "mismatch", "dtype", "refused"),
    [
        ("bf16", "off", torch.float32, True),
        ("fp16", "off", torch.float32, True),
        ("no", "off", torch.float32, False),
        ("bf16", "token_truncate", torch.float32, False),
        ("bf16", "off", torch.bfloat16, False),
    ],
)
def test_another_precision_than_the_trainers_has_to_be_corrected(
    tiny: Qwen, mixed: str, mismatch: Any, dtype: torch.dtype, refused: bool
) -> None:
    policy = TransformersPolicy(tiny.model.to(dtype), tiny.tokenizer)
    config = replace(CONFIG, mismatch=mismatch)
    if refused:
        with pytest.raises(ConfigError, match='"token_truncate", or sample with vLLM'):
            check_precisions(config, policy, mixed)
    else:
        check_precisions(config, policy, mixed)


def test_training_refuses_it(
    tiny: Qwen, guess_env: DeepEyesAsyncEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Accelerator, "mixed_precision", "bf16")
    with pytest.raises(ConfigError, match="computes in bf16"):
        train_dapo(replace(CONFIG, staleness=0), tiny.model, tiny.tokenizer, guess_env)
