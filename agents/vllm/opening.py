"""vLLM by the name of a checkpoint: on servers if their addresses are given, else in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from agents.policy import Policy
from agents.qwen import ModelError, check_is_qwen
from agents.vllm.weights import WeightChannel
from agents.vocabulary import Vocabulary


def open_vllm(
    checkpoint: str, urls: Sequence[str] = (), *, weights: WeightChannel | None = None, **arguments: Any
) -> Policy:
    """Open a policy.

    Args:
        checkpoint: A Qwen2.5-VL checkpoint (directory or hub id). Servers must serve the same one; only its
            tokenizer and configuration are read here.
        urls: Addresses of servers; none starts an engine in this process.
        weights: How new weights reach the servers; see `VllmServers`.
        arguments: Of the engine in process; see `VllmEngine`.

    Raises:
        ImportError: A package is missing; the message says how to install it.
        PolicyError: A server is not there.
        EngineMismatch: A server was started with other flags.
        ModelError: The checkpoint is not there, or is no Qwen2.5-VL.
    """
    check_is_qwen(checkpoint)
    if not urls:
        from agents.vllm.engine import VllmEngine

        return VllmEngine(checkpoint, **arguments)
    from agents.vllm.servers import VllmServers

    width = AutoConfig.from_pretrained(checkpoint).text_config.vocab_size
    return VllmServers(urls, _vocabulary(checkpoint), width, weights=weights)


def _vocabulary(checkpoint: str) -> Vocabulary:
    try:
        return Vocabulary(AutoTokenizer.from_pretrained(checkpoint))
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{checkpoint} has no tokenizer that can be used ({error}); copy the tokenizer's files beside "
            "config.json"
        ) from error
