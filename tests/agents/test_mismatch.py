from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from talk import scripted, tiny, vocabulary

from agents.batch import collate, token_logprobs
from agents.mismatch import CLIP, logprob_gap, measure_gap
from agents.pixels import PixelCache
from agents.sampling import banned_mask
from agents.trajectory import Trajectory


def sampled(noise: float = 0.0) -> Trajectory:
    """As if the tiny model had sampled it, on an engine that is off by `noise`."""
    trajectory = replace(scripted(), token_exact=True)
    batch = collate([trajectory], vocabulary(), PixelCache())
    with torch.no_grad():
        own = token_logprobs(tiny().model, batch, banned_mask(vocabulary(), 576))[0].numpy()
    logprobs = np.concatenate([[0.0], own]).astype(np.float32)
    logprobs[trajectory.loss_mask] -= noise
    return replace(trajectory, logprobs=logprobs)


def test_the_figures_are_those_of_their_definitions():
    recorded = np.array([-1.0, -2.0, -3.0, -0.5], np.float32)
    scored = np.array([-1.0, -2.1, -2.5, -0.4], np.float32)
    gap = logprob_gap(recorded, scored)
    ratios = np.exp([0.0, -0.1, 0.5, 0.1])
    assert gap.tokens == 4
    assert gap.mean_abs == pytest.approx(0.175)
    assert gap.max_abs == pytest.approx(0.5)
    assert gap.kl == pytest.approx(np.mean(ratios - 1 - np.log(ratios)))
    assert gap.clipped == 0.25
    assert CLIP == (0.8, 1.3)


def test_the_divergence_is_estimated_without_bias():
    """Over samples of one distribution, scored by another, it is the exact sum."""
    rng = np.random.default_rng(0)
    sampler, trainer = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(5))
    drawn = rng.choice(5, 200_000, p=sampler)
    gap = logprob_gap(np.log(sampler[drawn]).astype(np.float32), np.log(trainer[drawn]).astype(np.float32))
    assert gap.kl == pytest.approx(np.sum(sampler * np.log(sampler / trainer)), rel=0.03)


@pytest.mark.parametrize(("recorded", "scored"), [([], []), ([-1.0], [-1.0, -2.0])])
def test_what_cannot_be_compared_is_refused(recorded, scored):
    with pytest.raises(ValueError, match="cannot be compared"):
        logprob_gap(np.array(recorded, np.float32), np.array(scored, np.float32))


def test_trajectories_are_scored_again():
    exact = measure_gap([sampled(), sampled()], tiny().model, vocabulary())
    assert exact.tokens == 2 * sampled().loss_mask.sum()
    assert exact.max_abs < 1e-5
    off = measure_gap([sampled(), sampled(0.5)], tiny().model, vocabulary())
    assert off.mean_abs == pytest.approx(0.25, abs=1e-4)
    assert off.clipped == 0.5


def test_scripts_do_not_count():
    mixed = measure_gap([sampled(0.1), scripted()], tiny().model, vocabulary())
    assert mixed.tokens == sampled().loss_mask.sum()
    with pytest.raises(ValueError, match="no token of 1 trajectories was sampled"):
        measure_gap([scripted()], tiny().model, vocabulary())
