"""The models that speed is measured with: the tiny one, and random weights in the sizes of the 3B and 7B."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers.models.qwen2_5_vl import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from agents.qwen import Qwen
from agents.tiny import TinyShape, build_tiny, tiny_config

SIZE_3B = {
    "vocab_size": 151936,
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "initializer_range": 0.02,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
}
"""Language model of Qwen/Qwen2.5-VL-3B-Instruct (its `config.json`)."""

VISION_3B = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "out_hidden_size": 2048,
    "fullatt_block_indexes": [7, 15, 23, 31],
    "initializer_range": 0.02,
}
"""Its vision tower (same source)."""

SIZE_7B = SIZE_3B | {
    "vocab_size": 152064,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "tie_word_embeddings": False,
}
"""Language model of Qwen/Qwen2.5-VL-7B-Instruct (its `config.json`)."""

VISION_7B = VISION_3B | {"out_hidden_size": 3584}
"""Its vision tower (same source)."""


def tiny() -> Qwen:
    """The quickstart's size, weights random."""
    return build_tiny(seed=1)


def random_3b(device: str, dtype: torch.dtype = torch.bfloat16) -> Qwen:
    """3.75 billion random parameters, with the tiny model's tokenizer.

    Args:
        device: Where they are drawn; `meta` draws none.
        dtype: Their precision.
    """
    return _random(SIZE_3B, VISION_3B, device, dtype)


def random_7b(device: str, dtype: torch.dtype = torch.bfloat16) -> Qwen:
    """8.29 billion random parameters; see `random_3b`."""
    return _random(SIZE_7B, VISION_7B, device, dtype)


def _random(language: Mapping[str, Any], vision: Mapping[str, Any], device: str, dtype: torch.dtype) -> Qwen:
    tokenizer = build_tiny(shape=TinyShape(hidden=32, layers=1, vision_layers=1)).tokenizer
    settings = tiny_config(tokenizer, TinyShape()).to_dict()
    settings["text_config"] |= {**language, "layer_types": None}
    settings["vision_config"] |= vision
    settings["tie_word_embeddings"] = language.get("tie_word_embeddings", True)
    config = Qwen2_5_VLConfig.from_dict(settings)
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = Qwen2_5_VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(previous)
    return Qwen(model.eval(), tokenizer)
