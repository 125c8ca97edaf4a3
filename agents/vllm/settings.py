"""How vLLM has to be started so that its samples can be trained on: as arguments and as flags."""

from __future__ import annotations

import json
from typing import Any

from agents.transcript import MAX_IMAGES, MAX_TOKENS
from deepeyes_env.images import MAX_PIXELS, PATCH_FACTOR

TOKEN_VARIABLE = "VLLM_API_KEY"
"""Environment variable of the servers' API key; its name is vLLM's."""

MAX_MODEL_LEN = MAX_TOKENS + 8192
"""Tokens of a conversation and one more turn (reference 1.5: 8,192)."""


def picture_limits(max_pixels: int = MAX_PIXELS) -> dict[str, int]:
    """Areas between which vLLM's picture processor leaves pictures as they are.

    The environment has fitted them to its own budget, which may be below the checkpoint's: a crop of one
    visual token would be enlarged to four.

    Args:
        max_pixels: Largest picture that comes; vLLM reserves memory for one.
    """
    return {"min_pixels": PATCH_FACTOR**2, "max_pixels": max_pixels}


def engine_arguments(
    *, max_model_len: int = MAX_MODEL_LEN, max_images: int = MAX_IMAGES, max_pixels: int = MAX_PIXELS
) -> dict[str, Any]:
    """What an engine needs, as arguments of vLLM's `AsyncEngineArgs`.

    Args:
        max_model_len: Tokens of a prompt and its turn together.
        max_images: Images of a conversation.
        max_pixels: Area of the largest image.
    """
    return {
        "max_model_len": max_model_len,
        "limit_mm_per_prompt": {"image": max_images, "video": 0},
        "mm_processor_kwargs": picture_limits(max_pixels),
        # Of the distribution that was sampled from, not of the raw logits.
        "logprobs_mode": "processed_logprobs",
        # Not what the checkpoint recommends: Qwen's asks for a repetition penalty.
        "generation_config": "vllm",
        "enable_prefix_caching": True,
    }


def server_flags(**arguments: Any) -> list[str]:
    """What a server needs, as flags.

    Args:
        arguments: Engine arguments by name, e.g. those of `engine_arguments` and more.
    """
    # Token ids in and out, and how much of a prompt came from the cache.
    arguments |= {"enable_scale_out": True, "enable_prompt_tokens_details": True}
    flags: list[str] = []
    for name, value in arguments.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            flags.append(flag)
        else:
            flags += [flag, json.dumps(value) if isinstance(value, dict) else str(value)]
    return flags
