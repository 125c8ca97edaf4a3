import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.speed.record import Measure, Ratio, Record, interleave, ratio
from benchmarks.speed.tables import targets_table
from benchmarks.speed.targets import compared

SPEEDS = st.lists(st.floats(0.1, 1000), min_size=3, max_size=8)
TOKENS = Measure("tokens", "per s")


@given(ours=SPEEDS, data=st.data())
def test_the_interval_is_that_of_a_paired_t_test_on_logarithms(ours, data):
    peer = data.draw(st.lists(st.floats(0.1, 1000), min_size=len(ours), max_size=len(ours)))
    found = ratio(ours, peer)
    logs = [math.log(a / b) for a, b in zip(ours, peer, strict=True)]
    expected = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    assert found.low <= found.value <= found.high
    if len(set(logs)) > 1:
        assert math.log(found.low) == pytest.approx(expected.low, abs=1e-9)
        assert math.log(found.high) == pytest.approx(expected.high, abs=1e-9)


@given(peer=SPEEDS)
def test_a_machine_that_slows_both_alike_leaves_no_doubt(peer):
    found = ratio([0.9 * speed for speed in peer], peer)
    assert (found.low, found.value, found.high) == pytest.approx((0.9, 0.9, 0.9))


def test_one_round_says_nothing_of_the_spread():
    assert ratio([9.0], [10.0]) == Ratio(pytest.approx(0.9), None, None)


def test_a_record_pairs_the_rounds_and_the_table_shows_the_interval():
    speeds, record = iter([9.0, 10.0, 20.0, 19.0]), Record()
    interleave(2, {name: lambda: [(TOKENS, next(speeds))] for name in ("ours", "peer")}, record)
    # Who begins changes, so the second round's first sample is the peer's.
    assert record.ratio(TOKENS, "ours", "peer").value == pytest.approx(math.sqrt(9 / 10 * 19 / 20))
    assert record.ratio(TOKENS, "ours", "nobody") is None
    verdict = compared("ours / peer", "of its tokens/s", record.ratio(TOKENS, "ours", "peer"), 0.9)
    [cell] = [str(cell) for cell in targets_table([verdict]).columns[1].cells]
    assert cell.startswith("0.925 [")
    assert cell.endswith("of its tokens/s")
    assert compared("ours / nobody", "x", None, 0.9).met is None
