"""DAPO's loss: the numbers of a hand calculation; what masking, order, padding and splitting never change."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

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

CLIP = Clip(0.20, 0.30, dual=1.6)
NORMALISER = 7.0
POISONS = [float("nan"), float("inf"), -float("inf"), 1e30]


@st.composite
def batches(draw: st.DrawFn) -> TokenBatch:
    """Any mask (also an empty row), log-probabilities on both sides of all three clip bounds."""
    rows, length = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    bits = draw(st.lists(st.booleans(), min_size=rows * length, max_size=rows * length))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    old = -3 * torch.rand(rows, length, generator=generator, dtype=torch.float64)
    drift = 0.4 * torch.randn(rows, length, generator=generator, dtype=torch.float64)
    weights = 2 * torch.rand(rows, length, generator=generator, dtype=torch.float64)
    return TokenBatch(
        logprobs=(old + drift).requires_grad_(),
        old_logprobs=old,
        advantages=torch.randn(rows, generator=generator, dtype=torch.float64),
        mask=torch.tensor(bits).reshape(rows, length),
        entropy=torch.rand(rows, length, generator=generator, dtype=torch.float64),
        weights=draw(st.sampled_from([None, weights])),
    )


def value_and_gradient(batch: TokenBatch) -> tuple[torch.Tensor, torch.Tensor, LossStats]:
    logprobs = batch.logprobs.detach().requires_grad_()
    loss, stats = dapo_loss(replace(batch, logprobs=logprobs), CLIP, NORMALISER)
    loss.backward()
    return loss.detach(), logprobs.grad, stats


def rows_of(batch: TokenBatch, rows: list[int]) -> TokenBatch:
    return TokenBatch(
        batch.logprobs.detach()[rows],
        batch.old_logprobs[rows],
        batch.advantages[rows],
        batch.mask[rows],
        batch.entropy[rows],
        None if batch.weights is None else batch.weights[rows],
    )


def by_hand(batch: TokenBatch) -> tuple[float, np.ndarray]:
    """Loss and gradient token by token, in plain numbers: Ye et al.'s equation 5 with DAPO's bounds."""
    new, old = batch.logprobs.detach().numpy(), batch.old_logprobs.numpy()
    loss, gradient = 0.0, np.zeros(new.shape)
    for row, column in zip(*np.nonzero(batch.mask.numpy()), strict=True):
        ratio = math.exp(new[row, column] - old[row, column])
        advantage = float(batch.advantages[row])
        weight = 1.0 if batch.weights is None else float(batch.weights[row, column])
        low, high = 1 - CLIP.low, 1 + CLIP.high
        if advantage > 0:
            counted, bounded = min(ratio, high), ratio > high
        else:
            counted, bounded = min(max(ratio, low), CLIP.dual), not low <= ratio <= CLIP.dual
        loss -= weight * counted * advantage / NORMALISER
        gradient[row, column] = 0.0 if bounded else -weight * ratio * advantage / NORMALISER
    return loss, gradient


@given(batches())
def test_loss_and_every_tokens_gradient_are_those_of_a_hand_calculation(batch: TokenBatch) -> None:
    loss, gradient, stats = value_and_gradient(batch)
    expected, by_token = by_hand(batch)
    np.testing.assert_allclose(float(loss), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(gradient.numpy(), by_token, rtol=1e-12, atol=1e-15)
    # Every token without a gradient is counted by the bound that took it.
    mask = batch.mask.numpy() & (batch.advantages.numpy() != 0)[:, None]
    if batch.weights is None:
        bounded = stats.clipped_low + stats.clipped_high + stats.clipped_dual
        assert bounded == (mask & (by_token == 0)).sum()


@given(batches(), st.sampled_from(POISONS))
def test_masked_tokens_have_exactly_zero_gradient(batch: TokenBatch, poison: float) -> None:
    """Whatever stands outside the mask, even NaN, reaches neither the loss nor any gradient."""
    clean_loss, clean_gradient, _ = value_and_gradient(batch)
    dirty = TokenBatch(
        torch.where(batch.mask, batch.logprobs.detach(), poison),
        torch.where(batch.mask, batch.old_logprobs, poison),
        batch.advantages,
        batch.mask,
        torch.where(batch.mask, batch.entropy, poison),
        None if batch.weights is None else torch.where(batch.mask, batch.weights, poison),
    )
    loss, gradient, stats = value_and_gradient(dirty)
    assert torch.equal(gradient[~batch.mask], torch.zeros_like(gradient[~batch.mask]))
    assert torch.equal(gradient, clean_gradient)
    assert torch.equal(loss, clean_loss)
    assert all(value == value for value in stats.means().values())


@given(batches(), st.data())
def test_order_of_trajectories_does_not_matter(batch: TokenBatch, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(batch.advantages))))
    loss, gradient, _ = value_and_gradient(batch)
    shuffled_loss, shuffled_gradient, _ = value_and_gradient(rows_of(batch, order))
    torch.testing.assert_close(shuffled_loss, loss)
    assert torch.equal(shuffled_gradient, gradient[order])


@given(batches(), st.integers(1, 5), st.floats(-50, 50))
def test_padding_does_not_matter(batch: TokenBatch, width: int, filling: float) -> None:
    def pad(values: torch.Tensor, value: float | bool) -> torch.Tensor:
        return torch.nn.functional.pad(values.detach(), (0, width), value=value)

    padded = TokenBatch(
        pad(batch.logprobs, filling),
        pad(batch.old_logprobs, -filling),
        batch.advantages,
        pad(batch.mask, False),
        pad(batch.entropy, filling),
        None if batch.weights is None else pad(batch.weights, filling),
    )
    loss, gradient, stats = value_and_gradient(batch)
    padded_loss, padded_gradient, padded_stats = value_and_gradient(padded)
    torch.testing.assert_close(padded_loss, loss)
    assert torch.equal(padded_gradient[:, :-width], gradient)
    assert padded_stats.tokens == stats.tokens == batch.mask.sum()


@given(batches(), st.data())
def test_micro_batches_sum_to_the_whole(batch: TokenBatch, data: st.DataObject) -> None:
    """However a batch is split, with one normaliser the losses, gradients and statistics add up."""
    rows = list(range(len(batch.advantages)))
    cuts = sorted(data.draw(st.sets(st.sampled_from(rows))) - {0})
    parts = [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    loss, gradient, stats = value_and_gradient(batch)
    pieces = [value_and_gradient(rows_of(batch, part)) for part in parts]
    torch.testing.assert_close(sum(piece[0] for piece in pieces), loss)
    torch.testing.assert_close(torch.cat([piece[1] for piece in pieces]), gradient)
    summed = sum((piece[2] for piece in pieces), LossStats())
    torch.testing.assert_close(
        torch.tensor(list(summed.means().values())), torch.tensor(list(stats.means().values()))
    )


MODES: list[MismatchMode] = ["off", "token_truncate", "token_mask", "sequence_mask"]


@given(batches(), st.sampled_from(MODES), st.floats(1.05, 3.0))
def test_weights_and_masks_of_a_mismatch_are_those_of_a_hand_calculation(
    batch: TokenBatch, mode: MismatchMode, cap: float
) -> None:
    trainer, sampler = batch.logprobs.detach(), batch.old_logprobs
    weights, kept = mismatch_correction(trainer, sampler, batch.mask, mode, cap)
    for row, mask in enumerate(batch.mask.numpy()):
        ratios = np.exp((trainer - sampler)[row].numpy()[mask])
        mean = np.prod(ratios) ** (1 / max(len(ratios), 1))
        inside = (ratios >= 1 / cap) & (ratios <= cap)
        stays = {
            "off": np.ones(len(ratios), bool),
            "token_truncate": np.ones(len(ratios), bool),
            "token_mask": inside,
            "sequence_mask": np.full(len(ratios), 1 / cap <= mean <= cap),
        }[mode]
        expected = np.where(stays, 1.0 if mode == "off" else np.minimum(ratios, cap), 0.0)
        np.testing.assert_array_equal(kept[row].numpy()[mask], stays)
        np.testing.assert_allclose(weights[row].numpy()[mask], expected, rtol=1e-12)
        assert not kept[row].numpy()[~mask].any()
        assert (weights[row].numpy()[~mask] == 0).all()


@given(batches(), st.sampled_from(MODES), st.sampled_from(POISONS))
def test_what_does_not_train_has_no_part_in_a_mismatch(
    batch: TokenBatch, mode: MismatchMode, poison: float
) -> None:
    trainer, sampler = batch.logprobs.detach(), batch.old_logprobs
    clean = mismatch_correction(trainer, sampler, batch.mask, mode, 1.2)
    dirty = [torch.where(batch.mask, part, poison) for part in (trainer, sampler)]
    for own, other in zip(clean, mismatch_correction(*dirty, batch.mask, mode, 1.2), strict=True):
        assert torch.equal(own, other)


rewards = st.lists(st.sampled_from([0.0, 0.2, 0.8, 1.0]), min_size=2, max_size=16)


@given(rewards, st.data())
def test_advantages_are_centred_scaled_and_blind_to_failures(
    values: list[float], data: st.DataObject
) -> None:
    valid = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    assume(sum(valid) >= 2)
    mask = torch.tensor(valid)
    advantages = group_advantages(torch.tensor(values, dtype=torch.float64), mask)
    by_numpy = np.array(values)[valid]
    by_numpy = (by_numpy - by_numpy.mean()) / (by_numpy.std(ddof=1) + 1e-6)
    np.testing.assert_allclose(advantages[mask].numpy(), by_numpy, rtol=1e-9, atol=1e-9)
    assert torch.equal(advantages[~mask], torch.zeros_like(advantages[~mask]))
    assert abs(advantages.sum()) < 1e-6
    kept = [value for value, ok in zip(values, valid, strict=True) if ok]
    spread = torch.tensor(kept, dtype=torch.float64).std()
    torch.testing.assert_close(advantages[mask].std(), spread / (spread + 1e-6), rtol=1e-9, atol=1e-9)
    # A failed member's reward is no signal: any other value gives the same advantages.
    other = torch.tensor(
        [v if ok else 99.0 for v, ok in zip(values, valid, strict=True)], dtype=torch.float64
    )
    assert torch.equal(group_advantages(other, mask), advantages)


@given(st.lists(st.integers(0, 5000), min_size=2, max_size=20), st.integers(1, 2000), st.integers(1, 2000))
def test_overlong_penalty_is_bounded_and_falls_with_length(
    lengths: list[int], extra: int, buffer: int
) -> None:
    limit = buffer + extra
    penalty = overlong_penalty(torch.tensor(sorted(lengths)), limit, buffer)
    assert ((penalty >= -1) & (penalty <= 0)).all()
    assert (penalty.diff() <= 0).all()
    assert (penalty[torch.tensor(sorted(lengths)) <= extra] == 0).all()
    assert (penalty[torch.tensor(sorted(lengths)) >= limit] == -1).all()
