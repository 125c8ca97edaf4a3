from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepeyes_env.rewards.combine import (
    COMBINATIONS,
    EFFICIENCY_WEIGHT,
    TOOL_BONUS,
    Earned,
    call_bonus,
    deepeyes_v1,
    efficient,
)

bit = st.sampled_from((0.0, 1.0))
earned = st.builds(Earned, bit, bit, st.booleans(), calls=st.integers(0, 40), images=st.integers(0, 40))
BOUNDS = {
    "deepeyesv2": (0.0, 1.0),
    "paper": (0.0, 2.0),
    "deepeyes_v1": (-0.2, 2.0),
    "call_bonus": (0.0, 2.2),
    "efficient": (0.0, 1.15),
}
KEEP_THE_ORDER = sorted(COMBINATIONS.keys() - {"call_bonus"})
"""In which a wrong answer never earns more than a right one."""


@pytest.mark.parametrize("name", COMBINATIONS)
@given(one=earned)
def test_totals_keep_their_bounds(name: str, one: Earned) -> None:
    low, high = BOUNDS[name]
    assert low - 1e-9 <= COMBINATIONS[name](one) <= high + 1e-9


@pytest.mark.parametrize("name", COMBINATIONS)
@given(one=earned)
def test_format_never_costs(name: str, one: Earned) -> None:
    total = COMBINATIONS[name]
    assert total(replace(one, format=1.0)) >= total(replace(one, format=0.0))


@pytest.mark.parametrize("name", KEEP_THE_ORDER)
@given(right=earned, wrong=earned)
def test_a_wrong_answer_never_earns_more_than_a_right_one(name: str, right: Earned, wrong: Earned) -> None:
    total = COMBINATIONS[name]
    assert total(replace(wrong, accuracy=0.0)) <= total(replace(right, accuracy=1.0, format=wrong.format))


def test_the_bonus_for_a_call_as_such_breaks_that_order() -> None:
    assert call_bonus(Earned(0.0, 1.0, calls=1)) > call_bonus(Earned(1.0, 1.0, calls=0))


@given(one=earned, more=st.integers(1, 9))
def test_efficiency_pays_only_for_right_answers(one: Earned, more: int) -> None:
    busier = replace(one, calls=one.calls + more)
    if one.accuracy:
        assert efficient(busier) < efficient(one)
    else:
        assert efficient(busier) == efficient(one)
    assert efficient(one) <= efficient(replace(one, calls=0))
    assert efficient(Earned(1.0, 0.0, calls=0)) == pytest.approx(0.8 + EFFICIENCY_WEIGHT)


@given(one=earned)
def test_v1_pays_for_looking_only_where_it_helped(one: Earned) -> None:
    paid = deepeyes_v1(one) - deepeyes_v1(replace(one, images=0))
    assert paid == pytest.approx(TOOL_BONUS if one.images and one.accuracy else 0.0)
