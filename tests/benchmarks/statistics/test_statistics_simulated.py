"""Coverage of the intervals, size and power of the tests, by simulation with fixed seeds."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from benchmarks.report.rate import rate
from benchmarks.statistics.average import average
from benchmarks.statistics.bootstrap import cluster_bootstrap
from benchmarks.statistics.clusters import by_cluster
from benchmarks.statistics.estimate import estimate, wilson
from benchmarks.statistics.permutation import sign_flips
from benchmarks.statistics.power import LEVEL, POWER, detectable
from trainers.mcnemar import mcnemar

RUNS = 400
NOISE = 3 * np.sqrt(0.05 * 0.95 / RUNS)
"""Three standard errors of a share near 5 %."""


def cycles(rng: np.random.Generator, items: int, share: float, likeness: float) -> np.ndarray:
    """`[items, 4]` verdicts on four cycles of each question; `likeness` of them copy the question's own."""
    own = rng.random((items, 1)) < share
    copied = rng.random((items, 4)) < likeness
    return np.where(copied, own, rng.random((items, 4)) < share).astype(float)


@pytest.mark.parametrize(("items", "share"), [(50, 0.1), (191, 0.8), (191, 0.5)])
def test_wilson_covers(items, share):
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(RUNS):
        found = estimate((rng.random(items) < share).astype(float).tolist(), range(items))
        held += found.low <= share <= found.high
    assert held / RUNS == pytest.approx(0.95, abs=NOISE + 0.01)


@pytest.mark.parametrize(
    ("items", "share", "likeness", "floor"),
    # Thirty clusters of which few fail say little of how alike they are: it falls short by up to 3 points.
    [(50, 0.78, 0.8, 0.95), (200, 0.78, 0.9, 0.95), (30, 0.5, 1.0, 0.95), (30, 0.9, 0.5, 0.92)],
)
def test_the_cluster_interval_covers_where_wilsons_does_not(items, share, likeness, floor):
    rng = np.random.default_rng(2)
    names = np.repeat(np.arange(items), 4).tolist()
    held = naive = 0
    for _ in range(RUNS):
        scores = cycles(rng, items, share, likeness).ravel().tolist()
        found, alone = estimate(scores, names), estimate(scores, range(len(scores)))
        held += found.low <= share <= found.high
        naive += alone.low <= share <= alone.high
    assert held / RUNS > floor - NOISE
    assert held > naive


def test_rates_of_calls_and_means_of_counts_cover():
    """Some items make many calls, and more of them fail: calls are no independent trials."""
    rng = np.random.default_rng(6)
    items, fails = 60, np.array([0.1, 0.1, 0.1, 0.6])
    makes = np.array([1.0, 2.0, 3.0, 6.0])
    true_rate, true_mean = float((fails * makes).sum() / makes.sum()), float(makes.mean())
    held = naive = means = 0
    for _ in range(RUNS):
        kind = rng.integers(4, size=items)
        calls = rng.poisson(makes[kind])
        failed = rng.binomial(calls, fails[kind])
        names = range(items)
        found = rate(zip(failed.tolist(), calls.tolist(), names, strict=True))
        low, high = wilson(found.value, found.of)
        held += found.low <= true_rate <= found.high
        naive += low <= true_rate <= high
        counted = average(calls.tolist(), names)
        means += counted.low <= true_mean <= counted.high
    assert held / RUNS > 0.95 - NOISE - 0.01
    assert naive / RUNS < 0.85
    assert means / RUNS > 0.95 - NOISE - 0.01


def test_the_bootstrap_of_a_difference_covers():
    rng = np.random.default_rng(3)
    items, runs = 60, 150
    names, held = np.repeat(np.arange(items), 4).tolist(), 0
    for _ in range(runs):
        # Independent sides: their difference has the mean 0.7 - 0.5.
        changes = cycles(rng, items, 0.7, 0.7) - cycles(rng, items, 0.5, 0.7)
        interval = cluster_bootstrap([by_cluster(changes.ravel().tolist(), names)], seed=1)
        assert interval is not None
        held += interval[0] <= 0.2 <= interval[1]
    assert held / runs == pytest.approx(0.95, abs=3 * np.sqrt(0.05 * 0.95 / runs) + 0.01)


def test_clusters_are_permuted_with_the_right_size_and_mcnemar_on_them_is_not():
    rng = np.random.default_rng(4)
    items, runs = 12, 250
    names, rejected, naive = np.repeat(np.arange(items), 4).tolist(), 0, 0
    for _ in range(runs):
        changes = (cycles(rng, items, 0.6, 0.9) - cycles(rng, items, 0.6, 0.9)).ravel()
        rejected += sign_flips(by_cluster(changes.tolist(), names)) <= LEVEL
        naive += mcnemar(int((changes > 0).sum()), int((changes < 0).sum())).p_value <= LEVEL
    assert rejected / runs < LEVEL + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert naive / runs > 3 * LEVEL


def test_mcnemar_has_its_size_and_at_the_detectable_difference_its_power():
    rng = np.random.default_rng(5)
    pairs, discordance, runs = 191, 0.2, 2000
    difference = detectable(pairs, discordance)
    assert difference is not None

    rejects = cache(lambda a, b: mcnemar(a, b).p_value <= LEVEL)

    def rejected(shift: float) -> float:
        gained, lost = (discordance + shift) / 2, (discordance - shift) / 2
        drawn = rng.multinomial(pairs, [gained, lost, 1 - discordance], size=runs).tolist()
        return float(np.mean([rejects(a, b) for a, b, _ in drawn]))

    assert rejected(0.0) < LEVEL + NOISE
    assert rejected(difference) == pytest.approx(POWER, abs=3 * np.sqrt(0.16 / runs))
