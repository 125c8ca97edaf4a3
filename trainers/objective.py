"""DAPO's objective as pure functions (arXiv 2503.14476, equations 8 to 13; clip bounds: reference 4.4).

Nothing here knows of models, environments or optimisers. Shapes: `B` trajectories, `G` members of a group,
`T` predicted tokens (one less than the input's length).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import torch
from torch import Tensor

STD_EPSILON = 1e-6
"""Keeps the division in `group_advantages` finite (verl's value, which the released code runs)."""


def group_advantages(rewards: Tensor, valid: Tensor, epsilon: float = STD_EPSILON) -> Tensor:
    """Advantage of each member of one group: its reward, centred and scaled by the group.

    Args:
        rewards: float `[G]`.
        valid: bool `[G]`; the others (infrastructure failures) count neither for mean nor deviation.
        epsilon: Added to the deviation.

    Returns:
        float `[G]`; 0 where not valid. `(r - mean) / (std + epsilon)` with the sample deviation (`G - 1`).

    Raises:
        ValueError: Fewer than two members are valid.
    """
    kept = rewards[valid]
    if kept.numel() < 2:
        raise ValueError(f"a group needs two valid members, this one has {kept.numel()}")
    return torch.where(valid, (rewards - kept.mean()) / (kept.std() + epsilon), 0.0)


def overlong_penalty(policy_tokens: Tensor, max_length: int, buffer: int) -> Tensor:
    """Soft overlong punishment (arXiv 2503.14476, equation 13).

    Args:
        policy_tokens: `[B]`; tokens that the policy itself sampled. Tool output and images do not count: the
            policy does not write them.
        max_length: Length at which the penalty reaches -1.
        buffer: Tokens before `max_length` over which it grows from 0.

    Returns:
        float `[B]` in [-1, 0].
    """
    return ((max_length - buffer - policy_tokens) / buffer).clamp(-1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Clip:
    """Bounds of the importance ratio: `[1 - low, 1 + high]`."""

    low: float = 0.20
    high: float = 0.30


@dataclass(frozen=True, slots=True, eq=False)
class TokenBatch:
    """What the loss needs to know of a batch.

    Attributes:
        logprobs: float `[B, T]` under the policy in training; the only part with a gradient.
        old_logprobs: float `[B, T]` under the policy that sampled.
        advantages: float `[B]`.
        mask: bool `[B, T]`; True on tokens that the policy sampled. Elsewhere no value matters, not even NaN.
        entropy: float `[B, T]` of the distribution that each token was drawn from; only reported.
    """

    logprobs: Tensor
    old_logprobs: Tensor
    advantages: Tensor
    mask: Tensor
    entropy: Tensor


@dataclass(frozen=True, slots=True)
class LossStats:
    """Sums over tokens, so that batches add up.

    Attributes:
        tokens: Number of policy tokens.
        entropy: Sum of entropies in nats.
        ratio: Sum of importance ratios.
        clipped_low: Tokens of negative advantage whose ratio fell below the lower bound (no gradient).
        clipped_high: Tokens of positive advantage whose ratio rose above the upper bound (no gradient).
    """

    tokens: float = 0.0
    entropy: float = 0.0
    ratio: float = 0.0
    clipped_low: float = 0.0
    clipped_high: float = 0.0

    def __add__(self, other: LossStats) -> LossStats:
        return LossStats(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def means(self) -> dict[str, float]:
        """Per token; all 0 without tokens."""
        count = max(self.tokens, 1.0)
        return {
            "entropy": self.entropy / count,
            "ratio": self.ratio / count,
            "clipped_low": self.clipped_low / count,
            "clipped_high": self.clipped_high / count,
        }


def dapo_loss(batch: TokenBatch, clip: Clip, normaliser: float) -> tuple[Tensor, LossStats]:
    """Clipped policy-gradient loss, summed over tokens and divided by `normaliser`.

    There is no KL term. With `normaliser` the number of policy tokens of the *whole* batch, the losses of its
    micro-batches sum to the token-level mean over all of it, however it is split.

    Args:
        batch: The (micro-)batch.
        clip: Bounds of the ratio.
        normaliser: What the sum over tokens is divided by.

    Returns:
        The scalar loss, and sums for the metrics.
    """
    mask = batch.mask
    log_ratio = torch.where(mask, batch.logprobs - batch.old_logprobs, 0.0)
    ratio = log_ratio.exp()
    advantages = batch.advantages.unsqueeze(1)
    gain = torch.minimum(ratio * advantages, ratio.clamp(1 - clip.low, 1 + clip.high) * advantages)
    loss = -torch.where(mask, gain, 0.0).sum() / normaliser
    return loss, _stats(batch, ratio.detach(), clip)


def _stats(batch: TokenBatch, ratio: Tensor, clip: Clip) -> LossStats:
    mask, advantages = batch.mask, batch.advantages.unsqueeze(1)
    low = mask & (advantages < 0) & (ratio < 1 - clip.low)
    high = mask & (advantages > 0) & (ratio > 1 + clip.high)
    return LossStats(
        tokens=float(mask.sum()),
        entropy=float(torch.where(mask, batch.entropy, 0.0).sum()),
        ratio=float(torch.where(mask, ratio, 0.0).sum()),
        clipped_low=float(low.sum()),
        clipped_high=float(high.sum()),
    )
