"""The shapes of the released checkpoints."""

from __future__ import annotations

from transformers.models.qwen2_5_vl import Qwen2_5_VLConfig


def released(billions: int) -> Qwen2_5_VLConfig:
    """The shapes of the released checkpoints (their config.json)."""
    text = {
        3: {
            "hidden_size": 2048,
            "intermediate_size": 11008,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
        }
        | {"num_key_value_heads": 2, "vocab_size": 151936},
        7: {
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
        }
        | {"num_key_value_heads": 4, "vocab_size": 152064},
    }[billions]
    vision = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16}
    vision["out_hidden_size"] = text["hidden_size"]
    return Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=billions == 3)
