from __future__ import annotations

from typing import Any

import pytest

from deepeyes_env.outcome import Outcome
from trainers.dapo.sampling import Group, StepSampler, accuracy_varies, reward_varies


@pytest.fixture
def group(make_trajectory: Any) -> Any:
    """A group with the given accuracies; None is an infrastructure failure."""

    def make(draw: int, *accuracies: float | None) -> Group:
        members = [
            make_trajectory(i, tool=False, accuracy=a or 0.0)
            if a is not None
            else make_trajectory(i, tool=False, accuracy=0.0, outcome=Outcome.INFRA_FAILED)
            for i, a in enumerate(accuracies)
        ]
        return Group(draw, 0, tuple(members), 0)

    return make


@pytest.mark.parametrize(
    ("accuracies", "trains"),
    [
        ((1.0, 0.0), True),
        ((1.0, 1.0), False),
        ((0.0, 0.0), False),
        ((1.0, None), False),  # the failed one is no wrong answer
        ((1.0, None, 0.0), True),
        ((None, None), False),
    ],
)
def test_a_group_trains_if_accuracy_varies_among_the_valid(group: Any, accuracies: Any, trains: bool) -> None:
    assert group(0, *accuracies).trains is trains


def test_a_group_that_differs_only_in_format_does_not_train(make_trajectory: Any) -> None:
    from dataclasses import replace

    from deepeyes_env.rewards.base import Reward

    wrong = make_trajectory(0, accuracy=0.0)
    sloppy = replace(wrong, reward=Reward(0.0, 0.0, 0.0))
    assert wrong.reward.total != sloppy.reward.total
    assert not Group(0, 0, (wrong, sloppy), 0).trains
    for keep, trained in ((accuracy_varies, 0), (reward_varies, 1)):
        sampler = StepSampler(wanted=1, max_rounds=1, keep=keep)
        assert sampler.next_round() == 1
        sampler.add([Group(0, 0, (wrong, sloppy), 0)])
        assert len(sampler.selection().train) == trained


def test_a_group_that_is_right_and_wrong_for_the_same_reward_does_not_train(make_trajectory: Any) -> None:
    """By the combination `paper`: right in a bad format, wrong in a good one."""
    from dataclasses import replace

    from deepeyes_env.rewards.base import Reward
    from trainers.dapo.group_rollout import rollout_metrics
    from trainers.dapo.sampling import Sampled

    rewards = (Reward(1.0, 0.0, 1.0), Reward(0.0, 1.0, 1.0))
    members = tuple(replace(make_trajectory(0), reward=reward) for reward in rewards)
    sampler = StepSampler(wanted=1, max_rounds=1)
    assert sampler.next_round() == 1
    sampler.add([Group(0, 0, members, 0)])
    selection = sampler.selection()
    assert (len(selection.train), len(selection.dropped)) == (0, 1)
    metrics = rollout_metrics(0, Sampled(selection.dropped, selection, drawn=1))
    fates = [metrics[f"groups_{fate}"] for fate in ("equal_reward", "all_right", "all_wrong", "unscored")]
    assert fates == [1, 0, 0, 0]


def test_a_failed_member_varies_nothing(make_trajectory: Any) -> None:
    right = make_trajectory(0, accuracy=1.0)
    failed = make_trajectory(1, accuracy=0.0, outcome=Outcome.INFRA_FAILED)
    assert not reward_varies(Group(0, 0, (right, failed), 0))


def test_refill_by_the_share_that_was_kept(group: Any) -> None:
    sampler = StepSampler(wanted=4, max_rounds=3)
    assert sampler.next_round() == 4
    sampler.add([group(0, 1.0, 0.0), group(1, 1.0, 1.0), group(2, 0.0, 0.0), group(3, 0.0, 1.0)])
    # Two are missing and half of the draws were kept: draw four.
    assert sampler.next_round() == 4
    sampler.add([group(i, 1.0, 0.0) for i in range(4, 8)])
    assert sampler.next_round() == 0
    selection = sampler.selection()
    assert [g.draw for g in selection.train] == [0, 3, 4, 5]
    assert [g.draw for g in selection.carried] == [6, 7]
    assert [g.draw for g in selection.dropped] == [1, 2]
    assert not selection.exhausted
    # The surplus counts in the next step.
    following = StepSampler(wanted=4, max_rounds=3, carried=selection.carried)
    assert following.next_round() == 2


def test_when_nothing_is_kept_a_round_is_full_size_and_the_budget_ends_it(group: Any) -> None:
    sampler = StepSampler(wanted=2, max_rounds=2)
    for first in (0, 2):
        assert sampler.next_round() == 2
        sampler.add([group(first, 1.0, 1.0), group(first + 1, 1.0, 1.0)])
    assert sampler.next_round() == 0
    selection = sampler.selection()
    assert (selection.train, selection.exhausted, selection.rounds) == ((), True, 2)
