"""The sampling distribution, stated once for the policy that samples and the trainers that score.

It is the softmax of the logits at temperature 1 with banned tokens removed. A token is drawn by inverting
the cumulative distribution at one uniform number, which depends only on the request's seed and position, so
what a request samples does not depend on what else is in the batch.
"""

from __future__ import annotations

import numpy as np
import torch

from agents.vocabulary import Vocabulary


def banned_mask(vocabulary: Vocabulary, width: int) -> torch.Tensor:
    """Which ids a policy never samples.

    Args:
        vocabulary: The tokenizer by its names.
        width: `V`, width of the model's logits; ids that the tokenizer does not know are banned.

    Returns:
        bool `[V]`, True where banned.
    """
    mask = torch.zeros(width, dtype=torch.bool)
    mask[sorted(vocabulary.banned_ids)] = True
    mask[vocabulary.size :] = True
    return mask


def policy_logprobs(logits: torch.Tensor, banned: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of the policy over the whole vocabulary, in float32.

    Args:
        logits: `[..., V]`, any precision.
        banned: bool `[V]`.

    Returns:
        float32 `[..., V]`; minus infinity where banned.
    """
    return torch.log_softmax(logits.float().masked_fill(banned, float("-inf")), dim=-1)


def draw(logprobs: torch.Tensor, temperature: float, uniform: torch.Tensor) -> torch.Tensor:
    """Draw one token per row.

    Args:
        logprobs: float32 `[B, V]`, minus infinity where banned.
        temperature: 0 takes the most likely token.
        uniform: float32 `[B]` in [0, 1).

    Returns:
        int64 `[B]`.
    """
    if temperature == 0:
        return logprobs.argmax(dim=-1)
    scores = logprobs if temperature == 1 else torch.log_softmax(logprobs / temperature, dim=-1)
    cumulative = scores.exp().cumsum(dim=-1)
    total = cumulative[:, -1:]
    # Below the total even after rounding, so that the token found has a probability above 0.
    target = torch.minimum(uniform[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, target, right=True).squeeze(-1)


def uniforms(seed: int, position: int, count: int) -> np.ndarray:
    """The uniform numbers of one turn.

    Args:
        seed: The request's seed.
        position: Length of the request's prompt, so that the turns of one episode may share a seed.
        count: How many tokens may be drawn.

    Returns:
        float32 `[count]` in [0, 1); a longer draw starts with the same numbers.
    """
    bits = np.random.Philox(np.random.SeedSequence((seed, position)))
    return np.random.Generator(bits).random(count, dtype=np.float32)
