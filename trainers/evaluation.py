"""How good a policy is on held-out tasks: greedy, sampled and with its tools switched off, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agents.policy import Policy, SamplingParams
from agents.rollout import RolloutLimits, rollout
from agents.speaker import RolloutRequest
from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.outcome import Outcome
from deepeyes_env.task import Split
from trainers.mcnemar import PairedTest, mcnemar
from trainers.proportion import Proportion, proportion


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """Which tasks are asked and how.

    Attributes:
        tasks: Number of tasks.
        split: Part of the task source.
        first: Index of the first task.
        seed: Seeds the sampled answers.
        max_turn_tokens: Tokens per turn.
        max_tokens: Tokens of a conversation.
    """

    tasks: int
    split: Split = "test"
    first: int = 0
    seed: int = 0
    max_turn_tokens: int = 8192
    max_tokens: int = 24576


def accuracy(trajectories: Iterable[Trajectory]) -> Proportion:
    """Share of right answers among the scored episodes."""
    return proportion(one.reward.accuracy == 1.0 for one in trajectories if scored(one))


def scored(trajectory: Trajectory) -> bool:
    """Whether the episode counts: its infrastructure held."""
    return trajectory.outcome is not Outcome.INFRA_FAILED


def paired_test(before: Sequence[Trajectory], after: Sequence[Trajectory]) -> PairedTest:
    """Compare two policies on the same tasks.

    Args:
        before: One episode per task.
        after: The same tasks in the same order; pairs with an unscored member do not count.

    Raises:
        ValueError: The tasks are not the same.
    """
    if [one.task_id for one in before] != [one.task_id for one in after]:
        raise ValueError("a paired test needs the same tasks in the same order")
    pairs = [
        (a.reward.accuracy, b.reward.accuracy)
        for a, b in zip(before, after, strict=True)
        if scored(a) and scored(b)
    ]
    gained = sum(a < b for a, b in pairs)
    lost = sum(a > b for a, b in pairs)
    return mcnemar(gained, lost)


def by_family(trajectories: Iterable[Trajectory]) -> dict[str, list[Trajectory]]:
    """Episodes grouped by task family, families in order of appearance."""
    groups: dict[str, list[Trajectory]] = {}
    for one in trajectories:
        groups.setdefault(one.family, []).append(one)
    return groups


def answer_all(
    policy: Policy,
    env: DeepEyesAsyncEnv,
    plan: EvaluationPlan,
    *,
    temperature: float,
    versions: dict[str, str] | None = None,
    on_episode: Callable[[], None] = lambda: None,
) -> list[Trajectory]:
    """One episode per task, in order of the tasks.

    Args:
        policy: Answers.
        env: Where it acts; its tools may be switched off.
        plan: Which tasks.
        temperature: 0 is greedy.
        versions: Kept in the trajectories.
        on_episode: Called after every episode.
    """
    requests = [
        RolloutRequest(index, plan.split, SeedLineage(plan.seed, prompt=index))
        for index in range(plan.first, plan.first + plan.tasks)
    ]
    finished = []
    params = SamplingParams(temperature, plan.max_turn_tokens)
    stream = rollout(
        policy,
        env,
        requests,
        params,
        limits=RolloutLimits(plan.max_tokens),
        infra_retries=1,
        lockstep=True,
        versions=versions,
    )
    for one in stream:
        finished.append(one)
        on_episode()
    return finished
