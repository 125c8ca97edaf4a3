"""Dynamic sampling: ends in its budget, trains only groups with variance, loses or repeats none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward
from trainers.dapo.sampling import Group, Sampled, Selection, StepSampler
from trainers.runs.progress import Progress, describe, restore

OUTCOMES = (Outcome.ANSWERED, Outcome.TRUNCATED, Outcome.MALFORMED, Outcome.INFRA_FAILED)


COMBINATIONS = {"deepeyesv2": (0.8, 0.2), "paper": (1.0, 1.0)}
"""How much accuracy and format weigh (`deepeyes_env.rewards.combine`)."""


def member(accuracy: float, form: float, outcome: Outcome, combination: str) -> Trajectory:
    a, f = COMBINATIONS[combination]
    return Trajectory(
        task_id="t",
        family="f",
        skills=(),
        system_prompt="",
        prompt="",
        question="q",
        reference="r",
        answer=None,
        input_ids=np.zeros(1, np.int64),
        loss_mask=np.ones(1, np.bool_),
        logprobs=np.zeros(1, np.float32),
        images=(),
        image_spans=(),
        turns=(),
        reward=Reward(accuracy, form, a * accuracy + f * form),
        outcome=outcome,
        lineage=SeedLineage(0),
    )


def groups_of(combination: str) -> st.SearchStrategy[tuple[Trajectory, ...]]:
    """Groups whose members are all rewarded in one way."""
    bits = st.sampled_from([0.0, 1.0])
    members = st.builds(member, bits, bits, st.sampled_from(OUTCOMES), st.just(combination))
    return st.lists(members, min_size=2, max_size=4).map(tuple)


groups = st.sampled_from(sorted(COMBINATIONS)).flatmap(groups_of)


@dataclass(frozen=True)
class Step:
    """What one step did: the prompts asked for in each round, and the selection."""

    rounds: list[int]
    before: tuple[Group, ...]
    drawn: list[Group]
    selection: Selection


def run(data: st.DataObject, wanted: int, max_rounds: int, steps: int, lag: int = 0) -> list[Step]:
    """Several steps in a row, sampled `lag` steps ahead, each of which carries its surplus over."""
    done: list[Step] = []
    carried: tuple[Group, ...] = ()
    draw = 0
    for number in range(steps):
        sampler = StepSampler(wanted, max_rounds, carried)
        rounds: list[int] = []
        drawn: list[Group] = []
        while count := sampler.next_round():
            rounds.append(count)
            new = [Group(draw + i, number, data.draw(groups), max(0, number - lag)) for i in range(count)]
            draw += count
            drawn += new
            sampler.add(new)
            assert len(rounds) <= max_rounds, "the budget must end the loop"
        selection = sampler.selection()
        done.append(Step(rounds, carried, drawn, selection))
        carried = selection.carried
    return done


runs = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))


@given(st.data(), runs)
def test_it_stays_inside_its_budget(data: st.DataObject, sizes: tuple[int, int, int]) -> None:
    wanted, max_rounds, steps = sizes
    for step in run(data, wanted, max_rounds, steps):
        assert len(step.rounds) == step.selection.rounds <= max_rounds
        assert all(1 <= count <= wanted for count in step.rounds)
        assert len(step.selection.train) <= wanted
        assert step.selection.exhausted == (len(step.selection.train) < wanted)
        assert not step.selection.exhausted or step.selection.rounds == max_rounds


@given(st.data(), runs)
def test_only_groups_whose_accuracy_and_reward_vary_train(
    data: st.DataObject, sizes: tuple[int, int, int]
) -> None:
    def varies(group: Group, figure: str) -> bool:
        scored = [m.reward for m in group.members if m.outcome is not Outcome.INFRA_FAILED]
        return len({getattr(reward, figure) for reward in scored}) > 1

    for step in run(data, *sizes):
        for group in (*step.selection.train, *step.selection.carried):
            assert varies(group, "accuracy")
            assert varies(group, "total")
        for group in step.selection.dropped:
            assert not (varies(group, "accuracy") and varies(group, "total"))


@given(st.data(), runs)
def test_no_group_is_lost_or_trained_twice(data: st.DataObject, sizes: tuple[int, int, int]) -> None:
    steps = run(data, *sizes)
    for step in steps:
        came = [group.draw for group in (*step.before, *step.drawn)]
        went = [
            group.draw
            for part in (step.selection.train, step.selection.carried, step.selection.dropped)
            for group in part
        ]
        assert sorted(came) == sorted(went)
    trained = [group.draw for step in steps for group in step.selection.train]
    assert len(trained) == len(set(trained))


@given(st.data(), runs)
def test_no_group_trains_more_than_one_step_late(data: st.DataObject, sizes: tuple[int, int, int]) -> None:
    for number, step in enumerate(run(data, *sizes)):
        assert all(number - group.step <= 1 for group in step.selection.train)
        assert {group.draw for group in step.before} <= {group.draw for group in step.selection.train}


@given(st.data(), runs, st.integers(0, 3))
def test_no_group_trains_when_it_is_too_old(
    data: st.DataObject, sizes: tuple[int, int, int], lag: int
) -> None:
    """A step's own groups are as old as its lag, and only those carried over are older, by one step."""
    for number, step in enumerate(run(data, *sizes, lag)):
        for group in step.selection.train:
            age = number - group.weights
            assert age == min(number, lag) or (group in step.before and age <= lag + 1)


@given(st.data(), runs, st.integers(0, 3))
def test_the_replay_store_gives_everything_back(
    data: st.DataObject, sizes: tuple[int, int, int], done: int
) -> None:
    """However many steps are trained and however many were sampled ahead; every group is stored once."""
    steps = run(data, *sizes)
    done = min(done, len(steps))
    drawn = accumulate(len(step.drawn) for step in steps)
    sampled = [Sampled(tuple(step.drawn), step.selection, n) for step, n in zip(steps, drawn, strict=True)]
    last = sampled[done - 1] if done else None
    progress = Progress(done, last.drawn if last else 0, last.carried if last else (), tuple(sampled[done:]))
    names = [group.draw for group in progress.waiting]
    assert len(set(names)) == len(names)
    restored = restore(json.loads(json.dumps(describe(progress))), progress.waiting)
    assert describe(restored) == describe(progress)
    assert [id(group) for group in restored.waiting] == [id(group) for group in progress.waiting]
    trained = [[id(group) for group in one.selection.train] for one in restored.ahead]
    assert trained == [[id(group) for group in step.selection.train] for step in steps[done:]]
