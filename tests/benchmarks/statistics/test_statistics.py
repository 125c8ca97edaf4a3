"""Every statistic against scipy, statsmodels or the definition written out."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.proportion import proportion_confint

from benchmarks.statistics.average import average
from benchmarks.statistics.bootstrap import cluster_bootstrap
from benchmarks.statistics.clusters import by_cluster
from benchmarks.statistics.estimate import estimate, wilson
from benchmarks.statistics.holm import holm
from benchmarks.statistics.paired import compare
from benchmarks.statistics.permutation import sign_flips
from benchmarks.statistics.power import detectable, mcnemar_power
from benchmarks.statistics.repeated import consistency, pass_all_k, pass_at_k, repeats
from benchmarks.statistics.unpaired import two_proportions

scored = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 6)), min_size=1, max_size=40)
verdicts = st.lists(st.booleans(), min_size=2, max_size=7)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_independent_verdicts_have_wilsons_interval(hits):
    found = estimate([float(hit) for hit in hits], range(len(hits)))
    low, high = proportion_confint(sum(hits), len(hits), method="wilson")
    assert found.interval == "wilson"
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


@given(scored)
def test_an_estimate_lies_inside_its_interval(draws):
    found = estimate([score for score, _ in draws], [cluster for _, cluster in draws])
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.n == len(draws)
    assert found.clusters == len({cluster for _, cluster in draws})


def test_nothing_scored_is_not_zero():
    assert estimate([], []).value is None


def test_the_variance_is_that_of_a_cluster_robust_regression():
    rng = np.random.default_rng(3)
    clusters = rng.integers(0, 17, 80)
    scores = (rng.random(80) < 0.3 + 0.4 * (clusters % 2)).astype(float)
    fit = OLS(scores, np.ones(80)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    grouped = by_cluster(scores.tolist(), clusters.tolist())
    groups = len(set(clusters))
    assert grouped.variance_of_mean == pytest.approx(float(fit.bse[0] ** 2) * groups / (groups - 1))


@given(st.lists(st.booleans(), min_size=2, max_size=20), st.integers(2, 5))
def test_copies_of_a_score_tell_nothing_new(hits, copies):
    once = by_cluster([float(hit) for hit in hits], range(len(hits)))
    often = by_cluster(
        [float(hit) for hit in hits for _ in range(copies)],
        [number for number in range(len(hits)) for _ in range(copies)],
    )
    assert often.effective_count == pytest.approx(once.effective_count)
    assert often.variance_of_mean == pytest.approx(once.variance_of_mean)


def test_clusters_that_agree_widen_the_interval_and_mixed_ones_do_not():
    agreeing = estimate([1.0] * 40 + [0.0] * 40, [number // 4 for number in range(80)])
    mixed = estimate([1.0, 0.0] * 40, [number // 4 for number in range(80)])
    low, high = wilson(0.5, 80)
    assert agreeing.high - agreeing.low > 1.8 * (high - low)
    assert mixed.high - mixed.low < 1.1 * (high - low)


def test_clusters_that_are_all_right_count_as_one_score_each():
    found = estimate([1.0] * 24, [number // 4 for number in range(24)])
    assert (found.low, found.high) == pytest.approx(wilson(1.0, 6))


def test_means_of_counts_have_statsmodels_cluster_robust_interval():
    rng = np.random.default_rng(7)
    clusters = rng.integers(12, size=80)
    counts = rng.poisson(1 + clusters % 3).astype(float)
    fitted = OLS(counts, np.ones(80)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    found = average(counts.tolist(), clusters.tolist())
    assert (found.value, found.n, found.clusters) == (pytest.approx(counts.mean()), 80, 12)
    assert (found.low, found.high) == pytest.approx(tuple(fitted.conf_int()[0]))
    assert average([0, 0, 3], [0, 1, 2]).low == 0.0, "counts are never negative"
    for counts, clusters in (([2.0, 2.0], [0, 1]), ([1.0, 3.0], [0, 0])):
        assert (average(counts, clusters).value, average(counts, clusters).low) == (2.0, None)
    assert average([], []).value is None


def test_scores_and_clusters_must_match():
    with pytest.raises(ValueError, match="2 scores in 1 clusters"):
        by_cluster([1.0, 0.0], ["a"])


@given(verdicts, st.data())
def test_pass_at_k_is_the_share_of_subsets(hits, data):
    k = data.draw(st.integers(1, len(hits)))
    subsets = list(combinations(hits, k))
    right = sum(hits)
    assert pass_at_k(len(hits), right, k) == pytest.approx(np.mean([any(some) for some in subsets]))
    assert pass_all_k(len(hits), right, k) == pytest.approx(np.mean([all(some) for some in subsets]))
    pairs = [a == b for a, b in combinations(hits, 2)]
    assert consistency(len(hits), right) == pytest.approx(np.mean(pairs))


def test_fewer_draws_than_k_are_refused_or_left_out():
    with pytest.raises(ValueError, match="say nothing of 3"):
        pass_at_k(2, 1, 3)
    found = repeats([("a", [True, False]), ("b", [True]), ("c", [True, True])], 2, {})
    assert found is not None
    assert found.items == 2
    told = found.pass_1, found.pass_at_k, found.pass_all_k, found.consistency
    assert [one.value for one in told] == [0.75, 1.0, 0.5, 0.5]
    assert (found.pass_all_k.low, found.pass_all_k.high) == wilson(0.5, 2)
    assert repeats([("a", [True])], 2, {}) is None


def test_items_of_one_cluster_count_as_alike_in_figures_of_repeated_draws():
    verdicts = [[True, True], [True, True], [False, False], [False, False], [True, False], [True, False]]
    alone, pairs = (
        repeats([(name(n), one) for n, one in enumerate(verdicts)], 2, {})
        for name in (lambda n: n, lambda n: n // 2)
    )
    assert alone is not None
    assert pairs is not None
    assert (pairs.pass_all_k.value, pairs.pass_all_k.clusters) == (alone.pass_all_k.value, 3)
    assert pairs.pass_all_k.high - pairs.pass_all_k.low > alone.pass_all_k.high - alone.pass_all_k.low


@settings(max_examples=25)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 20))
def test_independent_pairs_get_mcnemars_exact_test(gained, lost, same):
    if not gained + lost + same:
        return
    first = [0.0] * gained + [1.0] * lost + [1.0] * same
    second = [1.0] * gained + [0.0] * lost + [1.0] * same
    found = compare(first, second, range(len(first)))
    table = [[same, lost], [gained, 0]]
    assert found.test == "mcnemar"
    assert (found.gained, found.lost) == (gained, lost)
    assert found.p_value == pytest.approx(float(statsmodels_mcnemar(table, exact=True).pvalue))
    assert found.low <= found.difference <= found.high


@given(st.lists(st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=9))
def test_few_clusters_are_permuted_exactly(changes):
    """Against all sign patterns, written out."""
    total = abs(sum(changes))
    patterns = [
        abs(sum(s * c for s, c in zip(signs, changes, strict=True)))
        for signs in product((1, -1), repeat=len(changes))
    ]
    expected = np.mean([value >= total - 1e-9 for value in patterns])
    assert sign_flips(by_cluster(changes, range(len(changes)))) == pytest.approx(expected)


def test_on_single_pairs_the_permutation_test_is_mcnemars():
    changes = [1.0] * 10 + [-1.0] * 3
    assert sign_flips(by_cluster(changes, range(13))) == pytest.approx(binomtest(10, 13).pvalue)


def test_four_cycles_of_a_question_are_no_four_proofs():
    first, second = [0.0] * 24, [1.0] * 24
    clusters = [number // 4 for number in range(24)]
    alone, together = compare(first, second, range(24)), compare(first, second, clusters)
    assert together.test == "permutation"
    assert together.p_value == pytest.approx(2 / 2**6)
    assert alone.p_value < 1e-5


def test_sides_that_never_differ_are_not_known_to_be_equal():
    found = compare([1.0] * 30, [1.0] * 30, range(30))
    assert found.p_value == 1.0
    assert found.low < -0.05 < 0.05 < found.high
    assert found.detectable is None


def test_nothing_to_compare_is_said():
    with pytest.raises(ValueError, match="no pair"):
        compare([], [], [])


def test_resampling_is_seeded():
    rng = np.random.default_rng(0)
    scores, clusters = rng.random(60).tolist(), rng.integers(0, 20, 60).tolist()
    strata = [by_cluster(scores, clusters), by_cluster(scores[:30], clusters[:30])]
    assert cluster_bootstrap(strata, 1) == cluster_bootstrap(strata, 1) != cluster_bootstrap(strata, 2)


def test_one_cluster_has_nothing_to_resample():
    assert cluster_bootstrap([by_cluster([0.0, 1.0], ["a", "a"])]) is None


@settings(max_examples=40)
@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=6))
def test_holm_is_holms(p_values):
    adjusted = holm(p_values)
    ordered, highest = sorted(p_values, key=lambda name: p_values[name]), 0.0
    for place, name in enumerate(ordered):
        highest = max(highest, min(1.0, (len(ordered) - place) * p_values[name]))
        assert adjusted[name] == pytest.approx(highest)


@pytest.mark.parametrize(
    ("pairs", "published"), [(171, 0.094), (191, 0.089), (194, 0.088), (405, 0.062), (1000, 0.039)]
)
def test_the_detectable_difference_is_a_little_above_the_approximation(pairs, published):
    """The table of search-and-benchmarks D, which approximates; the exact test is a little blunter."""
    found = detectable(pairs, 0.2)
    assert found is not None
    assert published - 0.001 < found < published + 0.012


def test_too_few_pairs_detect_nothing():
    assert detectable(5, 0.2) is None
    assert detectable(0.4, 0.2) is None


def test_power_without_a_difference_is_the_size_of_the_test():
    assert 0.01 < mcnemar_power(300, 0.2, 0.0) <= 0.05


def test_different_items_are_compared_by_the_score_test():
    found = two_proportions(0.3, 100, 0.2, 100)
    # Without a difference under the hypothesis the score test pools: z = .1 / sqrt(2 * .25 * .75 / 100).
    assert found.p_value == pytest.approx(0.10247, abs=2e-3)
    assert found.low < found.difference < found.high
    assert two_proportions(0.0, 10, 0.0, 20).p_value == 1.0
