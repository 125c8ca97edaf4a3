"""A step's optimiser updates on the groups that train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
import torch

from agents.batch import token_logprobs_and_entropy
from agents.trajectory import Trajectory
from trainers.batching import micro_batches, shuffled
from trainers.config import DapoConfig
from trainers.engine import Engine, training
from trainers.metrics import Metrics
from trainers.objective import Clip, LossStats, TokenBatch, dapo_loss, group_advantages, overlong_penalty
from trainers.run import Run
from trainers.sampling import Group
from trainers.scoring import Scorer
from trainers.shares import with_pictures


def update(
    config: DapoConfig, step: int, engine: Engine, scorer: Scorer, groups: Sequence[Group], run: Run
) -> Metrics:
    """All optimiser updates of a step; none without groups."""
    if not groups:
        return {"updates": 0}
    run.recorder.working("updating")
    advantages = [advantages_of(config, group) for group in groups]
    count = min(config.minibatches, len(groups))
    # Every token of the step weighs the same, whichever mini-batch it falls into (as TRL's `dapo`).
    tokens = sum(int(m.loss_mask.sum()) for group in groups for m in _valid(group))
    losses, stats, norms, rate = [], LossStats(), [], 0.0
    for inner in range(config.inner_updates):
        order = shuffled(len(groups), config.seed, step, inner)
        for part in np.array_split(order, count):
            members = [member for i in part for member in _valid(groups[i])]
            signals = torch.cat([advantages[i] for i in part])
            loss, part_stats = _minibatch(config, engine, scorer, members, signals, tokens / count)
            done = engine.update()
            losses.append(loss)
            stats += part_stats
            norms.append(done.grad_norm)
            rate = done.learning_rate
    return {
        "updates": len(losses),
        "loss": float(np.mean(losses)),
        "grad_norm": float(np.mean(norms)),
        "learning_rate": rate,
        **stats.means(),
    }


def _minibatch(
    config: DapoConfig,
    engine: Engine,
    scorer: Scorer,
    members: Sequence[Trajectory],
    advantages: torch.Tensor,
    normaliser: float,
) -> tuple[float, LossStats]:
    """Add up the gradient of this process's share of one mini-batch, one forward pass after the other.

    Returns:
        Loss and sums of all shares.
    """
    clip = Clip(config.clip_low, config.clip_high)
    own = engine.share([len(member.input_ids) for member in members])
    members, advantages = with_pictures(engine.ranks, members, own), advantages[own]
    total, stats = 0.0, LossStats()
    with training(engine.model):
        for part in engine.passes(micro_batches(members, config.micro_batch_size)):
            inputs = scorer.batch([members[i] for i in part])
            logprobs, entropy = token_logprobs_and_entropy(engine.model, inputs, scorer.banned)
            batch = TokenBatch(
                logprobs=logprobs,
                old_logprobs=inputs.logprobs[:, 1:],
                advantages=advantages[part].to(logprobs.device),
                mask=inputs.loss_mask[:, 1:],
                entropy=entropy,
            )
            loss, part_stats = dapo_loss(batch, clip, normaliser)
            engine.backward(loss)
            total += float(loss.detach())
            stats += part_stats
    total, *sums = engine.ranks.total([total, *astuple(stats)])
    return total, LossStats(*sums)


def advantages_of(config: DapoConfig, group: Group) -> torch.Tensor:
    """Advantages of the `V` valid members of a group, float `[V]`."""
    rewards = torch.tensor([member.reward.total for member in group.members])
    if config.overlong_length:
        lengths = torch.tensor([int(member.loss_mask.sum()) for member in group.members])
        rewards = rewards + overlong_penalty(lengths, config.overlong_length, config.overlong_buffer)
    valid = torch.tensor(group.valid)
    return group_advantages(rewards, valid)[valid]


def _valid(group: Group) -> list[Trajectory]:
    return [member for member, ok in zip(group.members, group.valid, strict=True) if ok]
