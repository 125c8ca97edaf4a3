"""DAPO's objective as pure functions (arXiv 2503.14476, equations 8 to 13; clip bounds: reference 4.4).

Three policies meet in it: `mu` sampled the tokens, `pi_old` is the trainer's before a step's first update,
`pi` is in training. Where an engine samples as the trainer computes, `mu` is `pi_old` and the ratio `pi / mu`
is clipped. Where it does not, the ratio `pi / pi_old` is clipped and every token weighs `pi_old / mu`
(`mismatch_correction`), so that the clip bounds what training changed and not what an engine rounds.

Nothing here knows of models, environments or optimisers. Shapes: `B` trajectories, `G` members of a group,
`T` predicted tokens (one less than the input's length).
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import torch
from torch import Tensor

from trainers.config import MismatchMode

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
    """Bounds of the importance ratio `r`.

    Attributes:
        low: Below `1 - low` a token of negative advantage has no gradient.
        high: Above `1 + high` a token of positive advantage has none.
        dual: Above it a token of negative advantage has none either (dual clip, arXiv 1912.09729, equation
            5): without it the loss of a token that became much likelier is unbounded. Infinite: no bound.

    Raises:
        ValueError: `dual` is not above `1 + high`, where it would cut into the ordinary clip.
    """

    low: float = 0.20
    high: float = 0.30
    dual: float = math.inf

    def __post_init__(self) -> None:
        if self.dual != math.inf and self.dual <= 1 + self.high:
            raise ValueError(f"dual = {self.dual} must be above 1 + high = {1 + self.high}")


def mismatch_correction(
    old_logprobs: Tensor, sampler_logprobs: Tensor, mask: Tensor, mode: MismatchMode, cap: float
) -> tuple[Tensor, Tensor]:
    """What every token weighs, and which still train, where trainer and sampler are not of one mind.

    In every mode a token that trains weighs `min(pi_old / mu, cap)` (truncated importance sampling, Yao et
    al. 2025, "Your efficient RL framework secretly brings you off-policy RL training"). The two masks leave
    out what is too far off to be weighed:

    * `token_mask`: tokens whose `pi_old / mu` is outside `[1 / cap, cap]` (IcePop, arXiv 2510.18855).
    * `sequence_mask`: whole sequences whose geometric mean of `pi_old / mu` is outside (prime-rl's and verl's
      geometric mask). TRL takes the product instead, which leaves `[1 / cap, cap]` for any sequence of some
      thousand tokens, however small each difference.

    Args:
        old_logprobs: float `[B, T]` of the trainer before the first update (`pi_old`).
        sampler_logprobs: float `[B, T]` as told when sampled (`mu`).
        mask: bool `[B, T]`; True on tokens that train.
        mode: Which of them.
        cap: Above 1.

    Returns:
        Weights, float `[B, T]`, 0 where nothing trains; and what is left of `mask`.
    """
    if mode == "off":
        return mask.to(old_logprobs.dtype), mask
    gap = torch.where(mask, old_logprobs - sampler_logprobs, 0.0)
    bound = math.log(cap)
    if mode == "token_mask":
        mask = mask & (gap.abs() <= bound)
    elif mode == "sequence_mask":
        mean = gap.sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        mask = mask & (mean.abs() <= bound)
    return torch.where(mask, gap.clamp(max=bound).exp(), 0.0), mask


@dataclass(frozen=True, slots=True, eq=False)
class TokenBatch:
    """What the loss needs to know of a batch.

    Attributes:
        logprobs: float `[B, T]` under the policy in training; the only part with a gradient.
        old_logprobs: float `[B, T]` that the ratio is taken against: `mu`, or `pi_old` with `weights`.
        advantages: float `[B]`.
        mask: bool `[B, T]`; True on tokens that train. Elsewhere no value matters, not even NaN.
        entropy: float `[B, T]` of the distribution that each token was drawn from; only reported.
        weights: float `[B, T]` of `mismatch_correction`; None: every token weighs 1.
    """

    logprobs: Tensor
    old_logprobs: Tensor
    advantages: Tensor
    mask: Tensor
    entropy: Tensor
    weights: Tensor | None = None


@dataclass(frozen=True, slots=True)
class LossStats:
    """Sums over tokens, so that batches add up.

    Attributes:
        tokens: Number of tokens that trained.
        entropy: Sum of entropies in nats.
        ratio: Sum of importance ratios.
        clipped_low: Tokens of negative advantage whose ratio fell below the lower bound (no gradient).
        clipped_high: Tokens of positive advantage whose ratio rose above the upper bound (no gradient).
        clipped_dual: Tokens of negative advantage whose ratio rose above the dual bound (no gradient).
    """

    tokens: float = 0.0
    entropy: float = 0.0
    ratio: float = 0.0
    clipped_low: float = 0.0
    clipped_high: float = 0.0
    clipped_dual: float = 0.0

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
            "clipped_dual": self.clipped_dual / count,
        }


def dapo_loss(batch: TokenBatch, clip: Clip, normaliser: float) -> tuple[Tensor, LossStats]:
    """Clipped policy-gradient loss, summed over tokens and divided by `normaliser`.

    There is no KL term. With `normaliser` the number of tokens that train in the *whole* batch, the losses of
    its micro-batches sum to the token-level mean over all of it, however it is split. What a mask takes out
    is not counted: the mean is over what remains. A weight of `mismatch_correction` is no part of the count.

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
    # Bounding the ratio by `dual` leaves positive advantages alone: their gain ends at 1 + high, below it.
    bounded = ratio.clamp(max=clip.dual)
    gain = torch.minimum(bounded * advantages, ratio.clamp(1 - clip.low, 1 + clip.high) * advantages)
    if batch.weights is not None:
        gain = gain * batch.weights
    loss = -torch.where(mask, gain, 0.0).sum() / normaliser
    return loss, _stats(batch, ratio.detach(), clip)


def _stats(batch: TokenBatch, ratio: Tensor, clip: Clip) -> LossStats:
    mask, advantages = batch.mask, batch.advantages.unsqueeze(1)
    low = mask & (advantages < 0) & (ratio < 1 - clip.low)
    high = mask & (advantages > 0) & (ratio > 1 + clip.high)
    dual = mask & (advantages < 0) & (ratio > clip.dual)
    return LossStats(
        tokens=float(mask.sum()),
        entropy=float(torch.where(mask, batch.entropy, 0.0).sum()),
        ratio=float(torch.where(mask, ratio, 0.0).sum()),
        clipped_low=float(low.sum()),
        clipped_high=float(high.sum()),
        clipped_dual=float(dual.sum()),
    )
