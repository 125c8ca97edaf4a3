from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from trainers.config import MismatchMode
from trainers.dapo.objective import (
    Clip,
    LossStats,
    TokenBatch,
    dapo_loss,
    group_advantages,
    mismatch_correction,
    overlong_penalty,
)


def token_batch(ratios: list[list[float]], advantages: list[float], mask: list[list[int]]) -> TokenBatch:
    """A batch with given importance ratios; the old log-probability of every token is -1."""
    old = torch.full((len(ratios), len(ratios[0])), -1.0, dtype=torch.float64)
    logprobs = (old + torch.tensor(ratios, dtype=torch.float64).log()).requires_grad_()
    return TokenBatch(
        logprobs=logprobs,
        old_logprobs=old,
        advantages=torch.tensor(advantages, dtype=torch.float64),
        mask=torch.tensor(mask, dtype=torch.bool),
        entropy=torch.full_like(old, 0.5),
    )


def test_loss_worked_by_hand() -> None:
    # Two trajectories, clip [0.8, 1.3], five policy tokens.
    #   A = +2: ratios 1.0, 1.5 -> 1.0 * 2 = 2.0 and min(1.5, 1.3) * 2 = 2.6 (clipped above), third masked
    #   A = -1: ratios 0.5, 1.5, 1.1 -> min(-0.5, -0.8) = -0.8 (clipped below), -1.5 and -1.1 (never clipped)
    # Sum of gains: 2.0 + 2.6 - 0.8 - 1.5 - 1.1 = 1.2; mean over 5 tokens: 0.24; the loss is its negative.
    batch = token_batch([[1.0, 1.5, 9.0], [0.5, 1.5, 1.1]], [2.0, -1.0], [[1, 1, 0], [1, 1, 1]])
    loss, stats = dapo_loss(batch, Clip(low=0.2, high=0.3), normaliser=5)
    assert loss.item() == pytest.approx(-0.24)
    assert stats.tokens == 5
    assert stats.means() == pytest.approx(
        {"entropy": 0.5, "ratio": 5.6 / 5, "clipped_low": 1 / 5, "clipped_high": 1 / 5, "clipped_dual": 0.0}
    )
    # d loss / d logprob = -ratio * A / 5 where the ratio is inside, 0 where it is clipped or masked.
    loss.backward()
    expected = [[-1.0 * 2 / 5, 0, 0], [0, 1.5 / 5, 1.1 / 5]]
    torch.testing.assert_close(batch.logprobs.grad, torch.tensor(expected, dtype=torch.float64))


def test_dual_clip_and_weights_worked_by_hand() -> None:
    # Clip [0.8, 1.3] and 3 for negative advantages; weights 1, 2, 0.5.
    #   A = -1: ratios 1.5, 5, 5 -> -1.5, max(-5, -3) = -3, -3; weighed -1.5, -6, -1.5: -9
    #   A = +1: ratios 5, 1, 1 -> min(5, 1.3) = 1.3, 1, 1; weighed 1.3, 2, 0.5: 3.8
    batch = replace(
        token_batch([[1.5, 5.0, 5.0], [5.0, 1.0, 1.0]], [-1.0, 1.0], [[1, 1, 1], [1, 1, 1]]),
        weights=torch.tensor([[1.0, 2.0, 0.5]] * 2, dtype=torch.float64),
    )
    loss, stats = dapo_loss(batch, Clip(low=0.2, high=0.3, dual=3.0), normaliser=6)
    assert loss.item() == pytest.approx(5.2 / 6)
    assert (stats.clipped_dual, stats.clipped_high) == (2, 1)
    loss.backward()
    expected = [[1.5 / 6, 0, 0], [0, -2 / 6, -0.5 / 6]]
    torch.testing.assert_close(batch.logprobs.grad, torch.tensor(expected, dtype=torch.float64))


def test_a_dual_bound_inside_the_clip_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dual = 1.3 must be above 1 \+ high"):
        Clip(low=0.2, high=0.3, dual=1.3)


def test_mismatch_worked_by_hand() -> None:
    # pi_old / mu: 1, 4, 0.25, and one that does not train; cap 2. Geometric mean of the three: 1.
    ratios = torch.tensor([[1.0, 4.0, 0.25, 99.0], [4.0, 4.0, 4.0, 1.0]])
    mask = torch.tensor([[True, True, True, False]] * 2)
    sampler = torch.full_like(ratios, -1.0)

    def correct(mode: MismatchMode) -> tuple[list[list[float]], list[list[bool]]]:
        weights, kept = mismatch_correction(sampler + ratios.log(), sampler, mask, mode, cap=2.0)
        return [[round(w, 5) for w in row] for row in weights.tolist()], kept.tolist()

    trains = [True, True, True, False]
    assert correct("off") == ([[1, 1, 1, 0]] * 2, [trains] * 2)
    assert correct("token_truncate") == ([[1, 2, 0.25, 0], [2, 2, 2, 0]], [trains] * 2)
    assert correct("token_mask") == ([[1, 0, 0, 0], [0] * 4], [[True, False, False, False], [False] * 4])
    assert correct("sequence_mask") == ([[1, 2, 0.25, 0], [0] * 4], [trains, [False] * 4])


def test_advantages_worked_by_hand() -> None:
    # Valid rewards 1, 0, 0.2 (the 5.0 was an infrastructure failure): mean 0.4,
    # sample deviation sqrt((0.36 + 0.16 + 0.04) / 2) = sqrt(0.28).
    advantages = group_advantages(
        torch.tensor([1.0, 0.0, 5.0, 0.2]), torch.tensor([True, True, False, True]), epsilon=0.0
    )
    deviation = math.sqrt(0.28)
    torch.testing.assert_close(advantages, torch.tensor([0.6, -0.4, 0.0, -0.2]) / deviation)


def test_a_group_with_one_valid_member_has_no_advantage() -> None:
    with pytest.raises(ValueError, match="two valid members"):
        group_advantages(torch.tensor([1.0, 0.0]), torch.tensor([True, False]))


def test_overlong_penalty_worked_by_hand() -> None:
    # Limit 100, buffer 20: nothing up to 80 tokens, half-way -0.5, full from 100 on.
    lengths = torch.tensor([0, 80, 90, 100, 500])
    penalty = overlong_penalty(lengths, max_length=100, buffer=20)
    torch.testing.assert_close(penalty, torch.tensor([0.0, 0.0, -0.5, -1.0, -1.0]))


def test_stats_without_tokens_are_zero() -> None:
    assert set(LossStats().means().values()) == {0.0}


def test_there_may_be_no_upper_clip_at_all():
    assert Clip(low=0.2, high=math.inf).dual == math.inf
