"""A step's rollouts: groups of episodes, round after round, until enough of them train."""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass

from agents.metrics import summarise
from agents.policy import Policy, SamplingParams
from agents.rollout import RolloutLimits, group_requests, rollout
from agents.speaker import RolloutRequest
from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env.async_env import DeepEyesAsyncEnv
from trainers.batching import prompt_index
from trainers.config import DapoConfig
from trainers.metrics import Metrics
from trainers.run import Run
from trainers.sampling import Group, Selection, StepSampler
from trainers.shares import collected


class NothingScored(RuntimeError):
    """Every rollout of a step ended in an infrastructure failure."""


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """What a step sampled.

    Attributes:
        groups: Groups sampled in this step, in order of draw.
        selection: What became of them and of those carried over.
        drawn: Prompts drawn in the run so far.
    """

    groups: tuple[Group, ...]
    selection: Selection
    drawn: int

    @property
    def trajectories(self) -> tuple[Trajectory, ...]:
        """All members of `groups`."""
        return tuple(member for group in self.groups for member in group.members)


def sample_step(config: DapoConfig, step: int, policy: Policy, env: DeepEyesAsyncEnv, run: Run) -> Sampled:
    """Dynamic sampling: round after round, until enough groups train or the budget is used up."""
    sampler = StepSampler(config.prompts_per_step, config.max_rounds, run.progress.carried)
    groups: list[Group] = []
    drawn = run.progress.drawn
    while count := sampler.next_round():
        new = _sample_groups(config, step, range(drawn, drawn + count), policy, env, run)
        sampler.add(new)
        groups += new
        drawn += count
    return Sampled(tuple(groups), sampler.selection(), drawn)


def _sample_groups(
    config: DapoConfig,
    step: int,
    draws: range,
    policy: Policy,
    env: DeepEyesAsyncEnv,
    run: Run,
) -> list[Group]:
    """Roll out one group per draw, each process its share; a requested stop drops them all."""
    requests = [request for draw in draws for request in _group_requests(config, step, draw, env)]
    members: dict[int, dict[int, Trajectory]] = defaultdict(dict)
    own = run.ranks.deal(requests)
    episodes = rollout(
        policy,
        env,
        own,
        SamplingParams(max_tokens=config.max_turn_tokens),
        limits=RolloutLimits(config.max_tokens, tool_seconds=config.tool_seconds),
        infra_retries=config.infra_retries,
        lockstep=config.lockstep,
    )
    finished = []
    # Closed at a stop too, and not only when its traceback is collected.
    with run.ranks.together("rolling out"), closing(episodes):
        for trajectory in episodes:
            if run.stop.made:
                break
            finished.append(trajectory)
            run.recorder.working(f"rollout {len(finished)}/{len(own)}")
    if run.ranks.any(run.stop.made):
        run.interrupt()
    for trajectory in collected(run.ranks, finished):
        members[trajectory.lineage.prompt][trajectory.lineage.sample] = trajectory
    return [Group(draw, step, tuple(members[draw][i] for i in range(config.group_size))) for draw in draws]


def _group_requests(config: DapoConfig, step: int, draw: int, env: DeepEyesAsyncEnv) -> list[RolloutRequest]:
    index = prompt_index(config.seed, draw, env.tasks.size("train"))
    return group_requests(index, config.group_size, SeedLineage(config.seed, step, draw))


def rollout_metrics(sampled: Sampled) -> Metrics:
    """What the policy did, over all that was sampled, and which groups train.

    Raises:
        NothingScored: No rollout could be scored.
    """
    summary = summarise(sampled.trajectories)
    if not summary.scored:
        raise NothingScored(
            f"all {summary.episodes} rollouts of this step failed for infrastructure reasons, so there is "
            "nothing to learn from; check the sandbox and the search engine (`deepeyes play` runs one "
            "episode), then resume"
        )
    selection = sampled.selection
    unscored = sum(len(group.accuracies) < 2 for group in selection.dropped)
    solved = sum(len(group.accuracies) >= 2 and min(group.accuracies) > 0 for group in selection.dropped)
    return {
        **summary.as_dict(),
        "groups_drawn": len(sampled.groups),
        "groups_trained": len(selection.train),
        "groups_carried": len(selection.carried),
        "groups_all_right": solved,
        "groups_all_wrong": len(selection.dropped) - solved - unscored,
        "groups_unscored": unscored,
        "sampling_rounds": selection.rounds,
        "sampling_exhausted": int(selection.exhausted),
        "steps_skipped": int(not selection.train),
    }
