"""How far the log-probabilities of who sampled are from those of who trains.

An engine computes with other kernels than the trainer, in other batches and perhaps another precision. The
importance ratios start from that noise, so it is measured: recorded when sampled, scored by teacher forcing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from agents.batch import collate, token_logprobs
from agents.pixels import PixelCache
from agents.sampling import banned_mask
from agents.trajectory import Trajectory
from agents.vocabulary import Vocabulary

CLIP = (0.8, 1.3)
"""Ratios between which DAPO's loss has a gradient: clip 0.20 below and 0.30 above (reference 1.5)."""


@dataclass(frozen=True, slots=True)
class LogprobGap:
    """The differences over some sampled tokens, in nats.

    Attributes:
        tokens: How many.
        mean_abs: Mean of the absolute difference.
        max_abs: Largest absolute difference.
        kl: Divergence of the trainer's distribution from the sampler's, estimated from the sampled tokens by
            `r - 1 - log r` with `r` the trainer's probability over the sampler's (Schulman's k3).
        clipped: Share of tokens whose ratio is outside `CLIP` before any training.
    """

    tokens: int
    mean_abs: float
    max_abs: float
    kl: float
    clipped: float


def logprob_gap(recorded: npt.NDArray[np.float32], scored: npt.NDArray[np.float32]) -> LogprobGap:
    """Compare log-probabilities of the same tokens.

    Args:
        recorded: float32 `[N]`, as the policy told them.
        scored: float32 `[N]`, as the trainer computes them.

    Raises:
        ValueError: There are none, or not equally many.
    """
    if recorded.shape != scored.shape or not recorded.size:
        raise ValueError(f"{recorded.shape} recorded and {scored.shape} scored tokens cannot be compared")
    difference = scored.astype(np.float64) - recorded.astype(np.float64)
    ratio = np.exp(difference)
    return LogprobGap(
        tokens=difference.size,
        mean_abs=float(np.abs(difference).mean()),
        max_abs=float(np.abs(difference).max()),
        kl=float((ratio - 1 - difference).mean()),
        clipped=float(((ratio < CLIP[0]) | (ratio > CLIP[1])).mean()),
    )


def measure_gap(trajectories: Sequence[Trajectory], model: Any, vocabulary: Vocabulary) -> LogprobGap:
    """Score trajectories again and compare.

    Args:
        trajectories: Token-exact ones; a script's have no log-probabilities.
        model: The model that sampled them, as the trainer has it.
        vocabulary: Its tokenizer by its names.

    Raises:
        ValueError: No token of them was sampled by a policy.
    """
    pixels, recorded, scored = PixelCache(), [], []
    banned = banned_mask(vocabulary, model.config.text_config.vocab_size)
    for trajectory in trajectories:
        if trajectory.token_exact and trajectory.loss_mask.any():
            # One at a time: here nothing is to be fast.
            batch = collate([trajectory], vocabulary, pixels).to(model.device)
            with torch.no_grad():
                own = token_logprobs(model, batch, banned)
            wanted = batch.loss_mask[:, 1:]
            recorded.append(batch.logprobs[:, 1:][wanted].cpu().numpy())
            scored.append(own[wanted].float().cpu().numpy())
    if not recorded:
        raise ValueError(f"no token of {len(trajectories)} trajectories was sampled by a policy")
    return logprob_gap(np.concatenate(recorded), np.concatenate(scored))
