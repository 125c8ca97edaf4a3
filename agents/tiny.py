"""A tiny Qwen2.5-VL from scratch, with its own byte-level BPE tokenizer, built on the spot from a seed.

    qwen = build_tiny(seed=0)                       # -> agents.qwen.Qwen(model, tokenizer)
    save_qwen(qwen, "runs/tiny"); load_qwen("runs/tiny")

The architecture, the special tokens and the chat template are Qwen2.5-VL's; only the sizes and the vocabulary
are small. It has learned nothing: `trainers.quickstart.visual_pretraining` gives it eyes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX, Qwen2Tokenizer
from transformers.models.qwen2_5_vl import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from agents.corpus import quickstart_corpus
from agents.qwen import FRAMES, MERGE, PATCH, Qwen, generation_config

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
"""Qwen2.5-VL's special tokens in the order of their ids (the released `tokenizer_config.json`)."""

HEAD_DIM = 32
"""Width of one attention head; rotary sections [4, 6, 6] fill half of it, as Qwen's [16, 24, 24] at 128."""

VOCABULARY = 576
"""Entries of the vocabulary, specials included: enough for every word of the quickstart's texts."""


@dataclass(frozen=True, slots=True)
class TinyShape:
    """Sizes of a tiny model.

    The defaults (0.9 M parameters) learn to read digits in minutes on one core (stack notes section 3).

    Attributes:
        hidden: Width of the language model and of the vision tower, a multiple of `HEAD_DIM`.
        layers: Layers of the language model.
        vision_layers: Layers of the vision tower.
        expansion: Width of the gated MLPs over `hidden`.
    """

    hidden: int = 96
    layers: int = 3
    vision_layers: int = 2
    expansion: float = 8 / 3


def build_tiny(seed: int = 0, shape: TinyShape = TinyShape(), corpus: Iterable[str] | None = None) -> Qwen:
    """Build a tiny Qwen2.5-VL with random weights.

    Args:
        seed: Seeds the weights; the global random state is left as it was.
        shape: Sizes.
        corpus: Texts the tokenizer learns its words from; None means `agents.corpus.quickstart_corpus()`.

    Returns:
        The model (float32, evaluation mode) and its tokenizer.
    """
    tokenizer = build_tokenizer(quickstart_corpus() if corpus is None else corpus)
    config = tiny_config(tokenizer, shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config = generation_config(tokenizer)
    return Qwen(model.eval(), tokenizer)


def build_tokenizer(corpus: Iterable[str]) -> Qwen2Tokenizer:
    """Train a byte-level BPE tokenizer with Qwen2.5-VL's pre-tokenizer, special tokens and chat template.

    Digits stay single tokens, as in Qwen's own tokenizer, and any bytes can be encoded.

    Args:
        corpus: Texts to learn from.

    Returns:
        The tokenizer; the same corpus gives the same one.
    """
    learner = Tokenizer(BPE())
    learner.normalizer = normalizers.NFC()
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    learner.decoder = decoders.ByteLevel()
    learner.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY - len(SPECIAL_TOKENS),
            min_frequency=1,
            show_progress=False,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        ),
    )
    vocabulary, merges = _learned(learner)
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary,
        merges=merges,  # type: ignore[arg-type]  # it takes pairs too, and hands them to `tokenizers`
        unk_token=None,  # type: ignore[arg-type]  # every byte is known
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=[AddedToken(token, special=True) for token in SPECIAL_TOKENS],
    )
    tokenizer.chat_template = chat_template()
    return tokenizer


def tiny_config(tokenizer: Qwen2Tokenizer, shape: TinyShape) -> Qwen2_5_VLConfig:
    """The configuration of a tiny model around a tokenizer."""
    inner = round(shape.hidden * shape.expansion)
    # The default 0.02 learns nothing visual at this width, 1/sqrt(width) does (stack notes section 2).
    scale = shape.hidden**-0.5
    ids = {token: tokenizer.get_vocab()[token] for token in SPECIAL_TOKENS}
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": -(-len(tokenizer) // 64) * 64,
            "hidden_size": shape.hidden,
            "intermediate_size": inner,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.hidden // HEAD_DIM,
            "num_key_value_heads": shape.hidden // HEAD_DIM,
            "max_position_embeddings": 32768,
            "initializer_range": scale,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 6, 6]},
            "bos_token_id": ids["<|im_start|>"],
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
        },
        vision_config={
            "depth": shape.vision_layers,
            "hidden_size": shape.hidden,
            "intermediate_size": inner,
            "num_heads": shape.hidden // HEAD_DIM,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": FRAMES,
            "window_size": 112,
            "out_hidden_size": shape.hidden,
            "fullatt_block_indexes": [shape.vision_layers - 1],
            "initializer_range": scale,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
        initializer_range=scale,  # type: ignore[call-arg]  # every configuration takes it
    )


@cache
def chat_template() -> str:
    """Qwen2.5-VL's chat template (Apache-2.0, from the released 7B checkpoint)."""
    return (Path(__file__).parent / "chat_template.jinja").read_text(encoding="utf-8")


def _learned(learner: Tokenizer) -> tuple[dict[str, int], list[tuple[str, str]]]:
    model = json.loads(learner.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]
