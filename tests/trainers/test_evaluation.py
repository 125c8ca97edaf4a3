"""Intervals and tests against published values, and what may be compared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward
from trainers.evaluation import accuracy, by_family, paired_test
from trainers.proportion import proportion


def episode(task: str, right: float, outcome: Outcome = Outcome.ANSWERED, family: str = "f") -> Trajectory:
    return Trajectory(
        task_id=task,
        family=family,
        skills=(),
        system_prompt="",
        prompt="",
        question="",
        reference="",
        answer="",
        input_ids=np.zeros(1, np.int64),
        loss_mask=np.zeros(1, np.bool_),
        logprobs=np.zeros(1, np.float32),
        images=(),
        image_spans=(),
        turns=(),
        reward=Reward(right, 1.0, right),
        outcome=outcome,
        lineage=SeedLineage(0),
    )


def test_the_interval_is_wilsons():
    # Newcombe 1998, table I, method 3: 81 of 263.
    found = proportion([True] * 81 + [False] * 182)
    assert (found.value, found.count) == (81 / 263, 263)
    assert found.low == pytest.approx(0.2553, abs=5e-5)
    assert found.high == pytest.approx(0.3662, abs=5e-5)


@given(st.lists(st.booleans(), max_size=50))
def test_the_interval_holds_the_share_and_stays_between_none_and_all(hits):
    found = proportion(hits)
    assert 0 <= found.low <= found.value <= found.high <= 1 or not hits


def test_unscored_episodes_do_not_count():
    mixed = [episode("a", 1.0), episode("b", 0.0), episode("c", 0.0, Outcome.INFRA_FAILED)]
    assert accuracy(mixed).value == 0.5
    assert accuracy(mixed).count == 2


def test_the_paired_test_is_the_exact_mcnemar_test():
    before = [episode(str(i), float(i < 1)) for i in range(8)]
    after = [episode(str(i), float(i > 0)) for i in range(8)]
    found = paired_test(before, after)
    assert (found.gained, found.lost) == (7, 1)
    # By hand: 2 * (C(8,0) + C(8,1)) / 2^8.
    assert found.p_value == pytest.approx(18 / 256)


def test_equal_policies_do_not_differ():
    same = [episode("a", 1.0), episode("b", 0.0)]
    assert paired_test(same, same).p_value == 1.0


def test_a_pair_with_an_unscored_member_does_not_count():
    before = [episode("a", 0.0), episode("b", 0.0)]
    after = [episode("a", 1.0), episode("b", 0.0, Outcome.INFRA_FAILED)]
    assert paired_test(before, after).gained == 1
    assert paired_test(after, before).lost == 1


def test_other_tasks_cannot_be_paired():
    with pytest.raises(ValueError, match="same tasks"):
        paired_test([episode("a", 1.0)], [episode("b", 1.0)])


def test_families_keep_their_order():
    groups = by_family(
        [episode("a", 1.0, family="y"), episode("b", 1.0, family="x"), episode("c", 0.0, family="y")]
    )
    assert [(name, len(some)) for name, some in groups.items()] == [("y", 2), ("x", 1)]
