"""What an update learns from: trajectories with their advantages, and which of their tokens train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from agents.batch import token_logprobs
from agents.mismatch import logprob_gap
from agents.trajectory import Trajectory
from deepeyes_env.outcome import Outcome
from trainers.batching import micro_batches
from trainers.config import DapoConfig, MismatchMode
from trainers.dapo.objective import group_advantages, mismatch_correction, overlong_penalty
from trainers.dapo.sampling import Group
from trainers.distributed.engine import Engine
from trainers.distributed.shares import rejoined, with_pictures
from trainers.runs.metrics import Metrics
from trainers.scoring import Scorer


@dataclass(frozen=True, slots=True, eq=False)
class Experience:
    """One trajectory as the loss sees it. Shapes: `T` tokens.

    Attributes:
        trajectory: What was sampled.
        advantage: Of all its tokens.
        mask: bool `[T]`, True on tokens that train: sampled, and not masked for any reason.
        old_logprobs: float32 `[T]` that the importance ratio is taken against.
        weights: float32 `[T]`, what each token's loss is multiplied by.
    """

    trajectory: Trajectory
    advantage: float
    mask: npt.NDArray[np.bool_]
    old_logprobs: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]


def experience(config: DapoConfig, group: Group, max_turns: int) -> list[Experience]:
    """The valid members of a group that train.

    Those that are masked (`config.mask_overlong`, `mask_overturn`) are left out here, but count in the
    group's mean and deviation, as in TRL (`mask_truncated_completions`): what the others are worth is
    measured against all that the policy does with the prompt, and a masked member's own reward says nothing
    wrong about that.

    Args:
        config: Settings.
        group: The group.
        max_turns: Turns after which the environment ends an episode (`EnvConfig.max_turns`).
    """
    valid = [member for member, ok in zip(group.members, group.valid, strict=True) if ok]
    return [
        Experience(one, advantage, one.loss_mask, one.logprobs, one.loss_mask.astype(np.float32))
        for one, advantage in zip(valid, advantages_of(config, group).tolist(), strict=True)
        if _trains(config, one, max_turns)
    ]


def advantages_of(config: DapoConfig, group: Group) -> torch.Tensor:
    """Advantages of the `V` valid members of a group, float `[V]`."""
    rewards = torch.tensor([member.reward.total for member in group.members])
    if config.overlong_length:
        lengths = torch.tensor([int(member.loss_mask.sum()) for member in group.members])
        rewards = rewards + overlong_penalty(lengths, config.overlong_length, config.overlong_buffer)
    valid = torch.tensor(group.valid)
    return group_advantages(rewards, valid)[valid]


def ran_out_of_turns(trajectory: Trajectory, max_turns: int) -> bool:
    """Whether the turn limit truncated an episode, and not its length.

    The environment ends an episode by its turn limit at exactly one place: when a whole turn, the last one
    allowed, is no answer. Whatever else truncates it does so in the middle of a turn or before that one.
    """
    return (
        trajectory.outcome is Outcome.TRUNCATED
        and len(trajectory.turns) >= max_turns
        and trajectory.turns[-1].finish_reason != "length"
    )


def _trains(config: DapoConfig, trajectory: Trajectory, max_turns: int) -> bool:
    if trajectory.outcome is not Outcome.TRUNCATED:
        return True
    masked = config.mask_overturn if ran_out_of_turns(trajectory, max_turns) else config.mask_overlong
    return not masked


def corrected(
    config: DapoConfig, engine: Engine, scorer: Scorer, experiences: Sequence[Experience]
) -> tuple[list[Experience], Metrics]:
    """Take the ratio against the trainer's own log-probabilities, and weigh or mask what the sampler did.

    Args:
        config: Settings.
        engine: Before the step's first update.
        scorer: Makes batches.
        experiences: Some, all of whose tokens that train were sampled.

    Returns:
        The same in the same order, perhaps with fewer tokens that train; and how far sampler and trainer are
        apart.
    """
    scores = _scored(config, engine, scorer, experiences)
    done = [
        _correct(one, old, config.mismatch, config.mismatch_cap)
        for one, old in zip(experiences, scores, strict=True)
    ]
    return done, _mismatch_metrics(experiences, done, config.mismatch_cap)


def _scored(
    config: DapoConfig, engine: Engine, scorer: Scorer, experiences: Sequence[Experience]
) -> list[npt.NDArray[np.float32]]:
    """The trainer's own log-probabilities, float32 `[T]` each; 0 where nothing was sampled."""
    everything = [one.trajectory for one in experiences]
    lengths = [len(one.input_ids) for one in everything]
    trajectories = with_pictures(engine.ranks, everything, engine.share(lengths))
    scores: dict[int, npt.NDArray[np.float32]] = {}
    for part in engine.passes(micro_batches(trajectories, config.micro_batch_size), backward=False):
        inputs = scorer.batch([trajectories[i] for i in part])
        with torch.no_grad():
            rows = token_logprobs(engine.model, inputs, scorer.banned).cpu().numpy()
        for row, i in zip(rows, part, strict=True):
            scores[i] = np.insert(row[: len(trajectories[i].input_ids) - 1], 0, 0)
    return rejoined(engine.ranks, lengths, [scores[i] for i in range(len(trajectories))])


def _correct(one: Experience, old: npt.NDArray[np.float32], mode: MismatchMode, cap: float) -> Experience:
    trainer, sampler, mask = (torch.from_numpy(part)[None] for part in (old, one.old_logprobs, one.mask))
    weights, kept = mismatch_correction(trainer, sampler, mask, mode, cap)
    return replace(one, mask=kept[0].numpy(), old_logprobs=old, weights=weights[0].numpy())


def padded(rows: Sequence[npt.NDArray[Any]], like: torch.Tensor) -> torch.Tensor:
    """Per-token values of `B` trajectories as a tensor.

    Args:
        rows: One value a token each.
        like: `[B, T - 1]`, on the device where they are wanted.

    Returns:
        `[B, T - 1]`: without the values of the first tokens, which nothing predicts.
    """
    out = np.zeros(like.shape, rows[0].dtype)
    for number, row in enumerate(rows):
        out[number, : len(row) - 1] = row[1:]
    return torch.from_numpy(out).to(like.device)


def _mismatch_metrics(before: Sequence[Experience], after: Sequence[Experience], cap: float) -> Metrics:
    """Over all tokens that were to train; the weight over those that still do."""
    sampled = np.concatenate([one.old_logprobs[one.mask] for one in before])
    scored = np.concatenate([new.old_logprobs[old.mask] for old, new in zip(before, after, strict=True)])
    weights = np.concatenate([one.weights[one.mask] for one in after])
    gap = logprob_gap(sampled, scored)
    return {
        "mismatch_abs": gap.mean_abs,
        "mismatch_kl": gap.kl,
        "mismatch_weight": float(weights.mean(dtype=np.float64)) if weights.size else 0.0,
        "mismatch_truncated": float((scored - sampled > np.log(cap)).mean()),
        "mismatch_masked": 1 - weights.size / sampled.size,
    }
