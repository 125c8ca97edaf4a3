"""A step's rollouts: groups of episodes, round after round, until enough of them train."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from agents.metrics import summarise
from agents.policy import Policy, SamplingParams
from agents.rollout import RolloutLimits, group_requests, stream
from agents.speaker import PolicySpeaker, RolloutRequest
from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.errors import ConfigError
from deepeyes_env.outcome import Outcome
from trainers.batching import prompt_index
from trainers.config import DapoConfig
from trainers.dapo.prompts import Look, PromptLimit, prompt_limit
from trainers.dapo.sampling import Group, Keep, Sampled, StepSampler, accuracy_varies
from trainers.distributed.ranks import Ranks
from trainers.distributed.shares import collected
from trainers.runs.interrupt import StopRequest
from trainers.runs.metrics import Metrics

MOST_PASSED_OVER = 1000
"""Draws in a row whose prompt is too long or unusable, after which no other is expected."""


class NothingScored(RuntimeError):
    """Every rollout of a step ended in an infrastructure failure."""


class SamplingStopped(Exception):
    """Somebody asked to stop while a step was sampled; what it has sampled is dropped."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """Samples steps of a run with a policy.

    Attributes:
        config: Settings of the run.
        policy: Samples.
        env: Where it acts; tasks come from its `train` split.
        working: Takes words for how far it is.
        tell: Takes words that are worth a line of their own, whether they were told before or not.
        stop: Whether to stop.
        ranks: The processes, which sample a share each.
        keep: Which groups train.
    """

    config: DapoConfig
    policy: Policy
    env: DeepEyesAsyncEnv
    working: Callable[[str], None]
    tell: Callable[[str], None]
    stop: StopRequest
    ranks: Ranks
    keep: Keep = accuracy_varies

    async def sample(self, step: int, weights: int, drawn: int, carried: tuple[Group, ...]) -> Sampled:
        """Dynamic sampling: round after round, until enough groups train or the budget is used up.

        Args:
            step: The step to sample for.
            weights: Steps that trained the policy's weights.
            drawn: Prompts that the run drew for the steps before.
            carried: Groups that the step before left over.

        Raises:
            SamplingStopped: A stop was requested, and the trainer still has the weights, so that the step can
                be sampled again.
            NothingScored: The infrastructure failed in every rollout.
            ConfigError: Hardly a prompt is short enough.
        """
        rounds = StepSampler(self.config.prompts_per_step, self.config.max_rounds, carried, self.keep)
        groups: list[Group] = []
        passed_over = unusable = 0
        while count := rounds.next_round():
            draws, broken = self._draws(drawn, count)
            new = await self._sample_groups(step, weights, draws)
            rounds.add(new)
            groups += new
            unusable += broken
            passed_over += draws[-1] + 1 - drawn - count - broken
            drawn = draws[-1] + 1
        with self.ranks.together("sampling a step"):
            _require_scored(groups)
        return Sampled(tuple(groups), rounds.selection(), drawn, passed_over, unusable)

    def _draws(self, first: int, count: int) -> tuple[list[int], int]:
        """The next draws whose prompt is short enough; each process measures its share.

        Also how many were passed over because they cannot be used; which, is told.

        No draw behind the last of them has been looked at, so the run goes on with the one after it.

        Raises:
            ConfigError: `MOST_PASSED_OVER` in a row are too long.
        """
        limit = prompt_limit(self.config, self.env, self.policy.vocabulary)
        taken: list[int] = []
        unusable = 0
        looked = range(first, first)
        while len(taken) < count:
            passed_over = looked.stop - (taken[-1] + 1 if taken else first)
            looked = range(looked.stop, looked.stop + count - len(taken))
            with self.ranks.together("measuring prompts"):
                self._require_hope(passed_over, limit)
                own = [limit.look(self._task(draw), "train") for draw in self.ranks.deal(looked)]
            looks = [Look(*one) for part in self.ranks.tell(own) for one in part]
            for look in looks:
                if look.unusable:
                    unusable += 1
                    self.tell(f"passed over: {look.unusable}")
            taken += [draw for draw, look in zip(looked, looks, strict=True) if look.fits]
        return taken, unusable

    def _require_hope(self, passed_over: int, limit: PromptLimit) -> None:
        if passed_over >= MOST_PASSED_OVER:
            raise ConfigError(
                f"max_prompt_tokens = {self.config.max_prompt_tokens}: {MOST_PASSED_OVER} prompts in a "
                f"row have more than {limit.tokens} tokens or cannot be used; raise it (and max_tokens), or "
                "lower max_pixels of the environment, or mend what was told of"
            )

    async def _sample_groups(self, step: int, weights: int, draws: Sequence[int]) -> list[Group]:
        """Roll out one group per draw, each process its share."""
        config = self.config
        requests = [request for draw in draws for request in self._group_requests(step, draw)]
        members: dict[int, dict[int, Trajectory]] = defaultdict(dict)
        own = self.ranks.deal(requests)
        episodes = stream(
            PolicySpeaker(self.policy, SamplingParams(max_tokens=config.max_turn_tokens)),
            self.env,
            own,
            limits=RolloutLimits(config.max_tokens, tool_seconds=config.tool_seconds),
            infra_retries=config.infra_retries,
            lockstep=config.lockstep,
        )
        finished: list[Trajectory] = []
        # Closed at a stop too, and not only when its traceback is collected.
        with self.ranks.together("rolling out"):
            async with aclosing(episodes):
                async for trajectory in episodes:
                    if self.stop.made and weights == step:
                        break
                    finished.append(trajectory)
                    self.working(f"rollout {len(finished)}/{len(own)}")
        if self.ranks.any(self.stop.made and weights == step):
            raise SamplingStopped
        for trajectory in collected(self.ranks, finished):
            members[trajectory.lineage.prompt][trajectory.lineage.sample] = trajectory
        return [
            Group(draw, step, tuple(members[draw][i] for i in range(config.group_size)), weights)
            for draw in draws
        ]

    def _group_requests(self, step: int, draw: int) -> list[RolloutRequest]:
        config = self.config
        return group_requests(self._task(draw), config.group_size, SeedLineage(config.seed, step, draw))

    def _task(self, draw: int) -> int:
        return prompt_index(self.config.seed, draw, self.env.tasks.size("train"))


def _require_scored(groups: list[Group]) -> None:
    members = [member for group in groups for member in group.members]
    if all(member.outcome is Outcome.INFRA_FAILED for member in members):
        raise NothingScored(
            f"all {len(members)} rollouts of this step failed for infrastructure reasons, so there is "
            "nothing to learn from; check the sandbox and the search engine (`deepeyes play` runs one "
            "episode), then go on with --resume, or begin again if no step was finished"
        )


def rollout_metrics(step: int, sampled: Sampled) -> Metrics:
    """What the policy did, over all that was sampled, and which groups train.

    Args:
        step: The step that trains on it.
        sampled: What was sampled for it.
    """
    selection = sampled.selection
    unscored = sum(len(group.accuracies) < 2 for group in selection.dropped)
    solved = sum(len(group.accuracies) >= 2 and min(group.accuracies) > 0 for group in selection.dropped)
    # Right and wrong ones that earned the same.
    equal = sum(len(set(group.accuracies)) > 1 for group in selection.dropped)
    ages = [step - group.weights for group in selection.train]
    return {
        **summarise(sampled.trajectories).as_dict(),
        "prompts_too_long": sampled.passed_over,
        "prompts_unusable": sampled.unusable,
        "groups_drawn": len(sampled.groups),
        "groups_trained": len(selection.train),
        "groups_carried": len(selection.carried),
        "groups_all_right": solved,
        "groups_all_wrong": len(selection.dropped) - solved - equal - unscored,
        "groups_equal_reward": equal,
        "groups_unscored": unscored,
        "sampling_rounds": selection.rounds,
        "sampling_exhausted": int(selection.exhausted),
        "steps_skipped": int(not selection.train),
        "staleness_mean": sum(ages) / len(ages) if ages else 0.0,
        "staleness_max": max(ages, default=0),
    }
