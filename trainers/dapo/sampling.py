"""Dynamic sampling: which groups train, and how many more prompts to draw (arXiv 2503.14476, section 3.2).

Three things differ from the DAPO paper and the released recipes, each for a reason:

- A group trains if the *accuracy* of its valid members varies, and their total rewards too. The shaped reward
  alone would let a group through in which everybody is wrong and only the format differs, and such groups
  drown the signal. The accuracy alone would let one through whose rewards are all equal (`paper`: right in a
  bad format, wrong in a good one), and with it tokens that count and teach nothing.
- The number of rounds is bounded. When they are used up, the step trains on the groups there are; with none
  it is skipped. Both are counted.
- Groups beyond what a step needs are not thrown away: they train first in the next step. A step draws only
  when it lacks a group, so fewer groups are left over than a step needs and all of them train in the very
  next step: no sample is ever more than one step older than those of its step, which are `staleness` steps
  old at most. The importance ratio takes care of that, because a trajectory carries the log-probabilities of
  the policy that sampled it.

Nothing here samples: `StepSampler` says how many prompts to draw and takes finished groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agents.trajectory import Trajectory
from deepeyes_env.outcome import Outcome


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The rollouts of one prompt.

    Attributes:
        draw: Number of the draw in the run's order of prompts; names the group.
        step: The step for which it was sampled.
        members: Its trajectories, in order of sample number.
        weights: Steps that had trained the weights which sampled it.
    """

    draw: int
    step: int
    members: tuple[Trajectory, ...]
    weights: int

    @property
    def valid(self) -> tuple[bool, ...]:
        """Which members can be scored: those that no infrastructure failure ended."""
        return tuple(member.outcome is not Outcome.INFRA_FAILED for member in self.members)

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Accuracy of the valid members."""
        return tuple(m.reward.accuracy for m, ok in zip(self.members, self.valid, strict=True) if ok)

    @property
    def rewards(self) -> tuple[float, ...]:
        """Total reward of the valid members."""
        return tuple(m.reward.total for m, ok in zip(self.members, self.valid, strict=True) if ok)

    @property
    def trains(self) -> bool:
        """Whether accuracy and reward of the valid members vary, so that there is something to learn."""
        return len(set(self.accuracies)) > 1 and len(set(self.rewards)) > 1


Keep = Callable[[Group], bool]
"""Says whether a group trains."""


def accuracy_varies(group: Group) -> bool:
    """DeepEyes Gym's rule: `Group.trains`."""
    return group.trains


def reward_varies(group: Group) -> bool:
    """What accuracy filtering is compared with: any difference in the shaped reward lets a group through."""
    return len(set(group.rewards)) > 1


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What became of a step's groups; every group is in exactly one place.

    Attributes:
        train: Groups to train on, at most as many as wanted; earlier draws first.
        carried: Surplus groups for the next step.
        dropped: Groups without variance in accuracy or reward, or without two valid members.
        rounds: Rounds of sampling used.
        exhausted: The budget was used up before there were enough groups.
    """

    train: tuple[Group, ...]
    carried: tuple[Group, ...]
    dropped: tuple[Group, ...]
    rounds: int
    exhausted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """What a step sampled.

    Attributes:
        groups: Groups sampled for this step, in order of draw; at least one.
        selection: What became of them and of those carried over.
        drawn: Prompts drawn in the run so far, those that were passed over included.
        passed_over: Prompts drawn for this step that were too long.
        unusable: Prompts drawn for this step whose row or picture cannot be read.
    """

    groups: tuple[Group, ...]
    selection: Selection
    drawn: int
    passed_over: int = 0
    unusable: int = 0

    @property
    def carried(self) -> tuple[Group, ...]:
        """Surplus groups for the next step."""
        return self.selection.carried

    @property
    def weights(self) -> int:
        """Steps that had trained the weights which sampled it."""
        return self.groups[0].weights

    @property
    def trajectories(self) -> tuple[Trajectory, ...]:
        """All members of `groups`."""
        return tuple(member for group in self.groups for member in group.members)


class StepSampler:
    """Dynamic sampling of one step.

    Call `next_round()`, sample that many prompts, `add()` their groups, and so on until it says 0; then
    `selection()`.

    Args:
        wanted: Groups that the step trains on.
        max_rounds: Rounds it may sample.
        carried: Surplus groups of the step before.
        keep: Which groups train.
    """

    def __init__(
        self,
        wanted: int,
        max_rounds: int,
        carried: Iterable[Group] = (),
        keep: Keep = accuracy_varies,
    ) -> None:
        self._keep = keep
        self._wanted = wanted
        self._max_rounds = max_rounds
        self._kept = list(carried)
        self._dropped: list[Group] = []
        self._rounds = 0
        self._drawn = 0
        self._drawn_kept = 0

    def next_round(self) -> int:
        """Start a round.

        Returns:
            Number of prompts to draw, 0 when the step has enough groups or has used up its rounds. It is what
            is missing, divided by the share of this step's draws that was kept; never more than `wanted`.
        """
        missing = self._wanted - len(self._kept)
        if missing <= 0 or self._rounds == self._max_rounds:
            return 0
        self._rounds += 1
        if self._drawn == 0:
            return missing
        if self._drawn_kept == 0:
            return self._wanted
        return min(self._wanted, math.ceil(missing * self._drawn / self._drawn_kept))

    def add(self, groups: Iterable[Group]) -> None:
        """Take the finished groups of a round."""
        for group in groups:
            self._drawn += 1
            if self._keep(group):
                self._drawn_kept += 1
                self._kept.append(group)
            else:
                self._dropped.append(group)

    def selection(self) -> Selection:
        """Decide on everything taken so far."""
        ordered = sorted(self._kept, key=lambda group: group.draw)
        return Selection(
            train=tuple(ordered[: self._wanted]),
            carried=tuple(ordered[self._wanted :]),
            dropped=tuple(self._dropped),
            rounds=self._rounds,
            exhausted=len(ordered) < self._wanted,
        )
